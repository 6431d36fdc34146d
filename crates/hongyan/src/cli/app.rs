//! Commands for registered mini programs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hongyan_wechat::{AppId, TemplateId};

use super::RemoteArgs;

#[derive(Debug, Args)]
pub(crate) struct AppArgs {
    #[command(subcommand)]
    pub(crate) command: AppCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Register a mini program
    #[command(after_help = "\
The AppSecret is read from a file, from standard input (-) or from HONGYAN_APP_SECRET, never from the command
line: other users of the machine can read that.

Examples:
  hongyan app add --appid wx0123456789abcdef --secret-file secret.txt --name \"Coffee shop\"
  pass show wechat/coffee | hongyan app add --appid wx0123456789abcdef --secret-file -")]
    Add(AppAddArgs),
    /// List registered mini programs
    List(RemoteArgs),
    /// Show one, as it is set up
    Show(AppOneArgs),
    /// Change one: its AppSecret, its name, how it sends
    #[command(after_help = "\
What is not named stays. A new AppSecret is read as by `app add`: from a file, from standard input (-) or, with
--secret-env, from HONGYAN_APP_SECRET; never from the command line.

Examples:
  hongyan app set wx0123456789abcdef --secret-file secret.txt
  hongyan app set wx0123456789abcdef --name \"Coffee shop\" --truncate true")]
    Set(AppSetArgs),
    /// Remove one: its messages that are not sent yet are cancelled, its permits and tokens are forgotten
    Remove(AppOneArgs),
    /// Keep every message of one, and send none
    Pause {
        #[command(flatten)]
        app: AppOneArgs,
        /// Why, for whoever asks later
        #[arg(long, value_name = "TEXT")]
        detail: Option<String>,
    },
    /// End the pause of one: what was kept goes out
    Resume(AppOneArgs),
    /// Make a new gateway secret for one, and print it alone on standard output; the old one stops working at once
    RotateSecret(AppOneArgs),
    /// List the templates of one, with their fields
    #[command(after_help = "\
Examples:
  hongyan app templates wx0123456789abcdef
  hongyan app templates wx0123456789abcdef --sync          asks WeChat first, and says what is different
  hongyan app templates wx0123456789abcdef --sample ID     a message by one of them, to edit and to post")]
    Templates(AppTemplatesArgs),
    /// Set up what WeChat pushes to the gateway, or show whether it comes
    #[command(after_help = "\
--set makes a token and an EncodingAESKey, and prints what to enter on WeChat's page for message push.

Examples:
  hongyan app callback wx0123456789abcdef                  is it set up, and when did WeChat last push?
  hongyan app callback wx0123456789abcdef --set
  hongyan app callback wx0123456789abcdef --remove         takes no pushes any more")]
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
    /// A file with its new AppSecret; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Take the new AppSecret from HONGYAN_APP_SECRET
    #[arg(long, conflicts_with = "secret_file")]
    pub(crate) secret_env: bool,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which of WeChat's two calls fetches access tokens
    #[arg(long)]
    pub(crate) token: Option<TokenCall>,
    /// What to do with a message whose answer was lost
    #[arg(long)]
    pub(crate) on_unknown: Option<OnUnknown>,
    /// How many messages a payment allows
    #[arg(long, value_name = "N")]
    pub(crate) payment_units: Option<u32>,
    /// Which of a user's messages that wait for a permit is served first
    #[arg(long)]
    pub(crate) waiting_order: Option<WaitingOrder>,
    /// Whether text that is too long for its field is cut instead of refused
    #[arg(long, value_name = "true|false")]
    pub(crate) truncate: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct AppTemplatesArgs {
    /// The mini program's appid
    #[arg(value_name = "APPID")]
    pub(crate) appid: AppId,
    /// Ask WeChat first
    #[arg(long)]
    pub(crate) sync: bool,
    /// Print a message by this template as JSON, complete but for the user
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
    /// Make a new token and key, store them, and print them once
    #[arg(long, conflicts_with = "remove")]
    pub(crate) set: bool,
    /// With --set: plain mode, without a key. Then the signature does not cover what is said
    #[arg(long, requires = "set")]
    pub(crate) plain: bool,
    /// With --set: also if there are a token and a key already; until WeChat has the new ones, its pushes are refused
    #[arg(long, requires = "set")]
    pub(crate) force: bool,
    /// Forget the token and the key
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AppAddArgs {
    /// Its appid
    #[arg(long)]
    pub(crate) appid: String,
    /// A file with its AppSecret; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which of WeChat's two calls fetches access tokens
    #[arg(long)]
    pub(crate) token: Option<TokenCall>,
    /// What to do with a message whose answer was lost
    #[arg(long)]
    pub(crate) on_unknown: Option<OnUnknown>,
    /// How many messages a payment allows
    #[arg(long, value_name = "N")]
    pub(crate) payment_units: Option<u32>,
    /// Which of a user's messages that wait for a permit is served first
    #[arg(long)]
    pub(crate) waiting_order: Option<WaitingOrder>,
    /// Cut text that is too long for its field instead of refusing it
    #[arg(long)]
    pub(crate) truncate: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenCall {
    /// A fetch elsewhere does not kill this gateway's token
    Stable,
    /// The older call: each fetch kills the token before
    Plain,
}

impl TokenCall {
    /// As the API spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Plain => "plain",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnUnknown {
    /// Keep it until an event of WeChat's or an operator settles it
    Hold,
    /// Send it again, at the risk that the user gets it twice
    Resend,
}

impl OnUnknown {
    /// As the API spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Resend => "resend",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitingOrder {
    /// The one that was to go out first
    OldestFirst,
    /// The one that was to go out last
    NewestFirst,
}

impl WaitingOrder {
    /// As the API spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OldestFirst => "oldest_first",
            Self::NewestFirst => "newest_first",
        }
    }
}
