//! Commands for registered mini programs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, TemplateId};

use super::times::moment;
use super::{ListArgs, RemoteArgs};

#[derive(Debug, Args)]
pub(crate) struct AppArgs {
    #[command(subcommand)]
    pub(crate) command: AppCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Register a mini program
    #[command(after_help = "\
The AppSecret is read from a file, from standard input (-) or from HONGYAN_APP_SECRET, never from the command \
line: other users of the machine can read the command line.

Examples:
  hongyan app add --appid wx0123456789abcdef --secret-file secret.txt --name \"Coffee shop\"
  pass show wechat/coffee | hongyan app add --appid wx0123456789abcdef --secret-file -")]
    Add(AppAddArgs),
    /// List registered mini programs
    List(ListArgs),
    /// Show the settings of a mini program
    Show(AppOneArgs),
    /// Change a mini program: its AppSecret, its name, how it sends
    #[command(after_help = "\
Settings without a flag stay. A new AppSecret is read as by `app add`: from a file, from standard input (-) or, with \
--secret-env, from HONGYAN_APP_SECRET; never from the command line.

Examples:
  hongyan app set wx0123456789abcdef --secret-file secret.txt
  hongyan app set wx0123456789abcdef --name \"Coffee shop\" --truncate true")]
    Set(AppSetArgs),
    /// Remove a mini program: its unsent messages are cancelled, its permits and tokens are deleted
    Remove {
        #[command(flatten)]
        app: AppOneArgs,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Pause a mini program: its messages are kept, and nothing is sent
    Pause {
        #[command(flatten)]
        app: AppOneArgs,
        /// The reason, for people who ask later
        #[arg(long, value_name = "TEXT")]
        detail: Option<String>,
        /// End the pause at this time (RFC 3339). Default: at `app resume`
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<UnixMillis>,
    },
    /// End the pause of a mini program: the kept messages are sent
    Resume(AppOneArgs),
    /// Make a new gateway secret for a mini program, and print only the secret on standard output; the old secret stops
    /// working at once
    #[command(visible_alias = "rotate")]
    RotateSecret(AppOneArgs),
    /// List the templates of a mini program, with their fields
    #[command(after_help = "\
Examples:
  hongyan app templates wx0123456789abcdef
  hongyan app templates wx0123456789abcdef --sync          asks WeChat first, and prints the changes
  hongyan app templates wx0123456789abcdef --sample ID     prints a sample message to edit and to send")]
    Templates(AppTemplatesArgs),
    /// Set up the callback (WeChat's message push) of a mini program, or show its state
    #[command(after_help = "\
--set makes a token and an EncodingAESKey, and prints what to enter on WeChat's page for message push.

Examples:
  hongyan app callback wx0123456789abcdef                  is the callback set up, and when did WeChat last push?
  hongyan app callback wx0123456789abcdef --set
  hongyan app callback wx0123456789abcdef --remove         accepts no pushes any more")]
    Callback(AppCallbackArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AppOneArgs {
    /// The mini program's appid
    #[arg(value_name = "APPID")]
    pub(crate) appid: AppId,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AppSetArgs {
    #[command(flatten)]
    pub(crate) app: AppOneArgs,
    /// A file with the new AppSecret; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Take the new AppSecret from HONGYAN_APP_SECRET
    #[arg(long, conflicts_with = "secret_file")]
    pub(crate) secret_env: bool,
    /// A display name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which of WeChat's two calls fetches access tokens
    #[arg(long)]
    pub(crate) token: Option<TokenCall>,
    /// What to do with a message if WeChat's answer was lost
    #[arg(long)]
    pub(crate) on_unknown: Option<OnUnknown>,
    /// How many messages one payment allows
    #[arg(long, value_name = "N")]
    pub(crate) payment_units: Option<u32>,
    /// If several messages to one user wait for a permit: which of them gets the permit first
    #[arg(long)]
    pub(crate) waiting_order: Option<WaitingOrder>,
    /// Whether to cut a text that is too long for its field, instead of refusing the message
    #[arg(long, value_name = "true|false")]
    pub(crate) truncate: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct AppTemplatesArgs {
    /// The mini program's appid
    #[arg(value_name = "APPID")]
    pub(crate) appid: AppId,
    /// Ask WeChat for its templates first
    #[arg(long)]
    pub(crate) sync: bool,
    /// Print a sample message for this template as JSON; only the user is missing
    #[arg(long, value_name = "ID")]
    pub(crate) sample: Option<TemplateId>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AppCallbackArgs {
    /// The mini program's appid
    #[arg(value_name = "APPID")]
    pub(crate) appid: AppId,
    /// Make a new token and a new key, store them, and print them once
    #[arg(long, conflicts_with = "remove")]
    pub(crate) set: bool,
    /// With --set: plain mode, without an EncodingAESKey. WeChat's signature does not cover the content then
    #[arg(long, requires = "set")]
    pub(crate) plain: bool,
    /// With --set: replace a token and a key that exist already; WeChat's pushes are refused until WeChat has the new
    /// token and key
    #[arg(long, requires = "set")]
    pub(crate) force: bool,
    /// Delete the token and the key
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AppAddArgs {
    /// The mini program's appid
    #[arg(long)]
    pub(crate) appid: String,
    /// A file with the AppSecret; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// A display name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which of WeChat's two calls fetches access tokens
    #[arg(long)]
    pub(crate) token: Option<TokenCall>,
    /// What to do with a message if WeChat's answer was lost
    #[arg(long)]
    pub(crate) on_unknown: Option<OnUnknown>,
    /// How many messages one payment allows
    #[arg(long, value_name = "N")]
    pub(crate) payment_units: Option<u32>,
    /// If several messages to one user wait for a permit: which of them gets the permit first
    #[arg(long)]
    pub(crate) waiting_order: Option<WaitingOrder>,
    /// Cut a text that is too long for its field, instead of refusing the message
    #[arg(long)]
    pub(crate) truncate: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenCall {
    /// stable_token: a fetch by another program does not invalidate this gateway's token
    Stable,
    /// The older call `token`: each fetch invalidates the token before
    Plain,
}

impl TokenCall {
    /// The name of the call in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Plain => "plain",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnUnknown {
    /// Keep the message until an event from WeChat or an operator settles it
    Hold,
    /// Send the message again, at the risk that the user gets it twice
    Resend,
}

impl OnUnknown {
    /// The name of the policy in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Resend => "resend",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitingOrder {
    /// The message that was due first
    OldestFirst,
    /// The message that was due last
    NewestFirst,
}

impl WaitingOrder {
    /// The name of the order in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OldestFirst => "oldest_first",
            Self::NewestFirst => "newest_first",
        }
    }
}
