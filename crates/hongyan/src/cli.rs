//! Every command and flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use hongyan_clock::{Pace, UnixMillis};
use hongyan_gateway::keys::Scope;
use hongyan_ledger::{KeyId, MessageId};
use hongyan_wechat::AppId;
use url::Url;

mod app;
mod daily;
mod data;

pub(crate) use app::{
    AppAddArgs, AppArgs, AppCallbackArgs, AppCommand, AppOneArgs, AppSetArgs, AppTemplatesArgs,
};
pub(crate) use daily::{
    MessageArgs, MessageCommand, MessageListArgs, PermitAddArgs, PermitArgs, PermitCommand, PermitListArgs,
};
pub(crate) use data::{BackupArgs, ImportArgs, RestoreArgs};

/// A gateway for WeChat mini-program notifications.
///
/// It keeps the access token, turns login codes into openids, collects the rights to notify users, sends each
/// message once, and explains every failure.
#[derive(Debug, Parser)]
#[command(name = "hongyan", version, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  hongyan demo                                  everything on this machine, without a WeChat account
  hongyan serve --config hongyan.toml           the gateway
  hongyan key create --name orders              a key for a back end
  hongyan app add --appid wx… --secret-file -   registers a mini program; reads its AppSecret from standard input
  hongyan check                                 is everything set up well?
  hongyan backup hongyan-copy.db                a copy of the database, while the gateway runs

Exit codes: 0 done, 1 failed while running, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything on this machine: simulated WeChat with a phone, gateway, tutorial back end
    Demo(DemoArgs),
    /// Run the gateway
    Serve(ServeArgs),
    /// Run the simulated WeChat platform alone
    Sandbox(SandboxArgs),
    /// Make, list and revoke API keys, in the configured database
    Key(KeyArgs),
    /// Register, change and list mini programs and their templates, at a running gateway
    App(AppArgs),
    /// Send one message through a running gateway
    Send(SendArgs),
    /// Show, list and cancel messages
    Message(MessageArgs),
    /// Report and list permits: the rights to notify users
    Permit(PermitArgs),
    /// Settle a message of state unknown: say whether the user has it
    Resolve(ResolveArgs),
    /// Send many messages, or report many permits, out of a file of JSON lines
    Import(ImportArgs),
    /// Check the configuration, the database, and that WeChat takes every app's secret
    Check(CheckArgs),
    /// Copy the configured database, also while it is served
    Backup(BackupArgs),
    /// Put a backup in the place of the configured database
    Restore(RestoreArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hongyan demo
  hongyan demo --data-dir demo-data             keeps its messages, and shows the same keys next time
  hongyan demo --listen 127.0.0.1:0 --sandbox-listen 127.0.0.1:0 --json")]
pub(crate) struct DemoArgs {
    /// Where the gateway listens; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8780")]
    pub(crate) listen: SocketAddr,
    /// Where the simulated WeChat listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    pub(crate) sandbox_listen: SocketAddr,
    /// A name under which the simulated WeChat may be asked, besides IP addresses and localhost
    #[arg(long = "sandbox-host", value_name = "NAME", value_delimiter = ',', env = "HONGYAN_SANDBOX_HOSTS")]
    pub(crate) sandbox_hosts: Vec<String>,
    /// Keep everything in this directory; without it a temporary one is used and removed at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Let WeChat push events to the gateway: what the user answers to the box is granted by itself, and messages become
    /// delivered or refused
    #[arg(long)]
    pub(crate) events: bool,
    /// Print one line of JSON on standard output when ready
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where settings come from, for every command that reads them.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file [env: HONGYAN_CONFIG] [default: hongyan.toml here, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The directory of the database and a generated master key
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// The database, as sqlite:PATH
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Where WeChat's API is; for tests, a sandbox
    #[arg(long, value_name = "URL")]
    pub(crate) wechat_base_url: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Every setting of hongyan.toml can be an environment variable: HONGYAN_ and its name in capitals.

Examples:
  hongyan serve
  HONGYAN_LISTEN=0.0.0.0:8780 hongyan serve --config /etc/hongyan.toml
  hongyan serve --wechat-base-url http://127.0.0.1:8790 --data-dir try")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Where the gateway listens; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Print one line of JSON on standard output when ready
    #[arg(long)]
    pub(crate) json: bool,
    /// Let the time run fast, for tests that must see days pass
    #[arg(long, value_name = "TIMES@SINCE", hide = true)]
    pub(crate) test_pace: Option<Pace>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hongyan sandbox
  hongyan sandbox --state sandbox.json          remembers users, templates and messages between runs
  hongyan sandbox --listen 127.0.0.1:0 --json   for a test that starts its own

What it can do, and the ids that always fail in the same way: http://127.0.0.1:8790/help")]
pub(crate) struct SandboxArgs {
    /// Where it listens; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    pub(crate) listen: SocketAddr,
    /// Load this file at the start, if it is there, and save to it at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// A name under which it may be asked, besides IP addresses and localhost; several with several --host
    #[arg(long = "host", value_name = "NAME", value_delimiter = ',', env = "HONGYAN_SANDBOX_HOSTS")]
    pub(crate) hosts: Vec<String>,
    /// How much of a thing is kept, such as cards=10000; docs/sandbox.md lists them
    #[arg(long, value_name = "NAME=NUMBER")]
    pub(crate) keep: Vec<String>,
    /// Listen for HTTPS here, too
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) tls_listen: Option<SocketAddr>,
    /// The certificate for HTTPS, PEM, its chain behind it; without one it is made at the start
    #[arg(long, value_name = "FILE", requires_all = ["tls_listen", "tls_key"])]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Write the authority of a certificate that is made at the start to this file, PEM, for clients to trust
    #[arg(long, value_name = "FILE", requires = "tls_listen", conflicts_with = "tls_certificate")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Print one line of JSON on standard output when ready
    #[arg(long)]
    pub(crate) json: bool,
    /// Let the time run fast, for tests that must see days pass
    #[arg(long, value_name = "TIMES@SINCE", hide = true)]
    pub(crate) test_pace: Option<Pace>,
}

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; it is printed alone on standard output and never again
    #[command(after_help = "\
Examples:
  hongyan key create --name orders
  hongyan key create --name shop --scopes messages,permits > shop.key
  hongyan key create --name partner --apps wx0123456789abcdef --expires 90d")]
    Create {
        /// Who or what uses it; tells keys apart later
        #[arg(long)]
        name: String,
        /// What it may do: messages, permits, apps, webhooks, audit, or all of these; and, which all does not include:
        /// facade, access_token, keys
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_value = "all")]
        scopes: Vec<Scope>,
        /// The apps that it is for; all, if this is left out
        #[arg(long, value_name = "APPID", value_delimiter = ',')]
        apps: Vec<AppId>,
        /// For how long it works, as 90d or 12h; for ever, if this is left out
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<Duration>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List keys; the keys themselves are not stored
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Make a key stop working
    Revoke {
        /// Its id, key_…, as `key list` shows it
        id: KeyId,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Seal anew, with the master key, what the master key before it sealed
    #[command(after_help = "\
The gateway may run, with both keys: master_key and master_key_previous (or master.key and master.key.previous in the \
data directory). The order is:
  1. set the new key and the previous one, and restart the gateway
  2. hongyan key rotate-master
  3. remove the previous key, and restart the gateway
If it is cut short, run it again: it goes on.

Examples:
  hongyan key rotate-master
  hongyan key rotate-master --generate      # without a gateway: makes a new master.key first")]
    RotateMaster {
        /// Put a new key in the place of master.key in the data directory, and keep that as master.key.previous
        #[arg(long)]
        generate: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// A time in days or hours.
fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "takes days or hours, as 90d or 12h, up to ten years".to_owned();
    let (number, hours) = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(days), _) => (days, 24),
        (_, Some(hours)) => (hours, 1),
        _ => return Err(wrong()),
    };
    let hours = number.parse::<u64>().ok().and_then(|number| number.checked_mul(hours)).ok_or_else(wrong)?;
    if (1..=10 * 366 * 24).contains(&hours) { Ok(Duration::from_secs(hours * 3_600)) } else { Err(wrong()) }
}

/// Which gateway to talk to.
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// The gateway; its API key is read from HONGYAN_API_KEY [env: HONGYAN_URL] [default: http://127.0.0.1:8780]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<Url>,
    /// A PEM file with a CA's certificate: trust it instead of the public ones [env: HONGYAN_CA_FILE, SSL_CERT_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Talk http to another machine, too: the API key can be read on the way [env: HONGYAN_INSECURE_HTTP=true]
    #[arg(long)]
    pub(crate) insecure_http: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PermitPolicy {
    /// Fail at once without a permit
    Require,
    /// Keep the message until there is a permit
    Wait,
    /// Send also without a permit in the ledger
    Try,
}

impl PermitPolicy {
    /// As the API spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Wait => "wait",
            Self::Try => "try",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  export HONGYAN_API_KEY=hyk_…
  hongyan permit add --app wx0123456789abcdef --openid oSandboxUser0000000000000001 \\
    --kind subscribe_once --template TEMPLATE
  hongyan send --app wx0123456789abcdef --to oSandboxUser0000000000000001 --template TEMPLATE \\
    --data thing1=Latte --data date2=2026-05-01 --data amount3=¥18.00 --wait 10
  hongyan send … --send-at 2026-05-01T09:30:00+08:00 --permit wait")]
pub(crate) struct SendArgs {
    /// The mini program's appid
    #[arg(long, value_name = "APPID")]
    pub(crate) app: String,
    /// The user's openid
    #[arg(long, value_name = "OPENID")]
    pub(crate) to: String,
    /// The template's id
    #[arg(long, value_name = "ID")]
    pub(crate) template: String,
    /// One field; give all that the template has
    #[arg(long, value_name = "FIELD=TEXT", required = true, value_parser = field)]
    pub(crate) data: Vec<(String, String)>,
    /// The page that a tap opens
    #[arg(long)]
    pub(crate) page: Option<String>,
    /// Send it then, not now (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) send_at: Option<UnixMillis>,
    /// Do not send it later than this (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) deadline: Option<UnixMillis>,
    /// What to do without a permit
    #[arg(long)]
    pub(crate) permit: Option<PermitPolicy>,
    /// Wait up to so many seconds for the outcome; exit code 1 if it is not sent by then
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u8).range(0..=30))]
    pub(crate) wait: Option<u8>,
    /// Cut text that is too long for its field instead of refusing it
    #[arg(long)]
    pub(crate) truncate: bool,
    /// Only check it: nothing is sent, nothing is stored
    #[arg(long, conflicts_with_all = ["wait", "idempotency_key"])]
    pub(crate) validate: bool,
    /// An id of your own; messages can be searched by it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reference: Option<String>,
    /// Replaces an unsent older message to this user with the same key
    #[arg(long, value_name = "TEXT")]
    pub(crate) collapse_key: Option<String>,
    /// The same key with the same message sends it only once
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
hongyan message list --state unknown lists them.

Examples:
  hongyan resolve msg_… --sent
  hongyan resolve msg_… --not-sent              sends it again, by the permit that it kept
  hongyan resolve msg_… --not-sent --give-up    and frees its permit")]
#[command(group = ArgGroup::new("outcome").required(true).args(["sent", "not_sent"]))]
pub(crate) struct ResolveArgs {
    /// The message's id, msg_…
    pub(crate) id: MessageId,
    /// The user has it
    #[arg(long)]
    pub(crate) sent: bool,
    /// The user does not have it: send it again, unless its deadline has passed
    #[arg(long)]
    pub(crate) not_sent: bool,
    /// Do not send it again
    #[arg(long, conflicts_with = "sent")]
    pub(crate) give_up: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Changes nothing: no file is made, and no app's access token is replaced.")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Also compare every index of the database with its table; takes several times as long
    #[arg(long)]
    pub(crate) deep: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as FIELD=TEXT, like thing1=Latte".into()),
    }
}

fn moment(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse_rfc3339(text)
        .map_err(|error| format!("write it like 2026-05-01T09:30:00+08:00 ({error})"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_field_may_have_equal_signs_in_its_text() {
        assert_eq!(field("thing1=a=b").unwrap(), ("thing1".into(), "a=b".into()));
        assert_eq!(field("thing1=").unwrap(), ("thing1".into(), String::new()));
        assert!(field("thing1").is_err());
        assert!(field("=x").is_err());
    }

    #[test]
    fn scopes_are_separated_by_commas() {
        let cli =
            Cli::parse_from(["hongyan", "key", "create", "--name", "x", "--scopes", "messages,permits"]);
        let Command::Key(KeyArgs { command: KeyCommand::Create { scopes, .. } }) = cli.command else {
            panic!("not key create");
        };
        assert_eq!(scopes, [Scope::Messages, Scope::Permits]);
        assert!(
            Cli::try_parse_from(["hongyan", "key", "create", "--name", "x", "--scopes", "money"]).is_err()
        );
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(moment("1970-01-01T08:00:01+08:00").unwrap(), UnixMillis(1000));
        assert!(moment("tomorrow").unwrap_err().contains("2026-05-01T09:30:00+08:00"));
    }
}
