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

use crate::text::word;

mod app;
mod daily;
mod data;
mod health;
mod lang;
mod listing;
mod look;
#[cfg(test)]
mod page;
mod times;
mod user;
mod webhook;

pub(crate) use app::{
    AppAddArgs, AppArgs, AppCallbackArgs, AppCommand, AppOneArgs, AppSetArgs, AppTemplatesArgs,
};
pub(crate) use daily::{
    MessageArgs, MessageCommand, MessageListArgs, PermitAddArgs, PermitArgs, PermitCommand, PermitListArgs,
};
pub(crate) use data::{BackupArgs, ImportArgs, RestoreArgs};
pub(crate) use health::HealthcheckArgs;
pub(crate) use lang::Lang;
pub(crate) use listing::{Format, ListArgs, PageArgs};
pub(crate) use look::{
    AuditArgs, AuditCommand, DoctorArgs, EventArgs, EventCommand, EventListArgs, NodeArgs, NodeCommand,
    QuotaArgs, ReachArgs, StatsArgs, StatsBy, Step,
};
use times::{lifetime, moment};
pub(crate) use user::{UserArgs, UserCommand};
pub(crate) use webhook::{
    FilterArgs, WebhookAddArgs, WebhookArgs, WebhookCommand, WebhookDeliveriesArgs, WebhookListenArgs,
    WebhookOneArgs, WebhookReplayArgs, WebhookSetArgs, WebhookTestArgs,
};

/// A gateway for WeChat mini-program notifications.
///
/// Hongyan keeps the access token, turns login codes into openids, collects the rights to notify users, sends each
/// message once, and explains every failure.
#[derive(Debug, Parser)]
#[command(name = "hongyan", version, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  hongyan demo                                  everything on this machine, without a WeChat account
  hongyan serve --config hongyan.toml           the gateway
  hongyan key create --name orders              a key for a back end
  hongyan user add lihua --role operator        a person for the console
  hongyan app add --appid wx… --secret-file -   registers a mini program; reads its AppSecret from standard input
  hongyan check                                 is everything set up well?
  hongyan backup hongyan-copy.db                a copy of the database, while the gateway runs

Exit codes: 0 done, 1 failed while running, 2 wrong usage, 78 wrong configuration.")]
pub(crate) struct Cli {
    /// The language of the help, of the output and of errors [env: HONGYAN_LANG, else LC_ALL, LC_MESSAGES, LANG]
    /// [default: en]
    // After all options of the command itself.
    #[arg(long, global = true, value_name = "LANGUAGE", display_order = 1_000)]
    pub(crate) lang: Option<Lang>,
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
    /// Add, list, change and remove the people who may use the console
    User(UserArgs),
    /// Register, change and list mini programs and their templates, at a running gateway
    App(AppArgs),
    /// Send one message through a running gateway
    Send(SendArgs),
    /// Show, list and cancel messages
    Message(MessageArgs),
    /// Report and list permits: the rights to notify users
    Permit(PermitArgs),
    /// Count the users that can be reached now
    Reach(ReachArgs),
    /// Settle a message in the state unknown: tell the gateway whether the user received the message
    Resolve(ResolveArgs),
    /// Send many messages, or report many permits, from a file of JSON lines
    Import(ImportArgs),
    /// Set up, list, test, replay and remove webhooks, and receive their events on this machine
    Webhook(WebhookArgs),
    /// List the events that WeChat pushed
    Event(EventArgs),
    /// Show figures over time: how many messages were accepted, sent, failed
    Stats(StatsArgs),
    /// List the running gateways that share the database
    Node(NodeArgs),
    /// Show how much of WeChat's daily quotas is used
    Quota(QuotaArgs),
    /// List who changed what
    Audit(AuditArgs),
    /// Find out what needs attention, here and at the running gateway, and what to do
    Doctor(DoctorArgs),
    /// Check the configuration, the database, and whether WeChat accepts every app's AppSecret
    Check(CheckArgs),
    /// Ask whether the gateway runs; for containers and supervisors
    Healthcheck(HealthcheckArgs),
    /// Copy the configured database, even while the gateway runs
    Backup(BackupArgs),
    /// Replace the configured database with a backup
    Restore(RestoreArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write manual pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hongyan demo
  hongyan demo --data-dir demo-data             keeps its messages, and shows the same keys next time
  hongyan demo --listen 127.0.0.1:0 --sandbox-listen 127.0.0.1:0 --json")]
pub(crate) struct DemoArgs {
    /// The address on which the gateway listens; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8780")]
    pub(crate) listen: SocketAddr,
    /// The address on which the simulated WeChat listens; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    pub(crate) sandbox_listen: SocketAddr,
    /// A host name that the simulated WeChat accepts, besides IP addresses and localhost
    #[arg(long = "sandbox-host", value_name = "NAME", value_delimiter = ',', env = "HONGYAN_SANDBOX_HOSTS")]
    pub(crate) sandbox_hosts: Vec<String>,
    /// Keep all data in this directory. Default: a temporary directory that is removed at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Let WeChat push events to the gateway: a user's answer to the subscription box becomes a permit by itself, and
    /// messages become delivered or refused
    #[arg(long)]
    pub(crate) events: bool,
    /// Print one line of JSON on standard output when ready
    #[arg(long)]
    pub(crate) json: bool,
    /// Stop when standard input ends. A program that starts this command with a pipe as standard input takes this process
    /// along, even when the program is killed
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
}

/// Where the settings come from, for every command that reads settings.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file [env: HONGYAN_CONFIG] [default: hongyan.toml in the current directory, if that file exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The directory of the database and of a generated master key
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// The database, as sqlite:PATH
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// The address of WeChat's API; a sandbox for tests
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
    /// The address on which the gateway listens; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Print one line of JSON on standard output when ready
    #[arg(long)]
    pub(crate) json: bool,
    /// Let the clock run fast, for tests in which days pass
    #[arg(long, value_name = "TIMES@SINCE", hide = true)]
    pub(crate) test_pace: Option<Pace>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hongyan sandbox
  hongyan sandbox --state sandbox.json          remembers users, templates and messages between runs
  hongyan sandbox --listen 127.0.0.1:0 --json --exit-with-parent   for a test that starts its own

What the sandbox can do, and the ids that always fail in the same way: http://127.0.0.1:8790/help")]
pub(crate) struct SandboxArgs {
    /// The address on which the sandbox listens; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    pub(crate) listen: SocketAddr,
    /// Load the state from this file at the start, if the file exists, and save the state to it at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// A host name that the sandbox accepts, besides IP addresses and localhost; repeat --host for several names
    #[arg(long = "host", value_name = "NAME", value_delimiter = ',', env = "HONGYAN_SANDBOX_HOSTS")]
    pub(crate) hosts: Vec<String>,
    /// A limit on how much the sandbox keeps of one thing, such as cards=10000; docs/sandbox.md lists the limits
    #[arg(long, value_name = "NAME=NUMBER")]
    pub(crate) keep: Vec<String>,
    /// Also listen for HTTPS at this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) tls_listen: Option<SocketAddr>,
    /// The certificate for HTTPS as PEM, followed by its chain. Default: a certificate made at the start
    #[arg(long, value_name = "FILE", requires_all = ["tls_listen", "tls_key"])]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Write the CA of the certificate made at the start to this file, as PEM, for clients to trust
    #[arg(long, value_name = "FILE", requires = "tls_listen", conflicts_with = "tls_certificate")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Print one line of JSON on standard output when ready
    #[arg(long)]
    pub(crate) json: bool,
    /// Stop when standard input ends. A program that starts this command with a pipe as standard input takes this process
    /// along, even when the program is killed
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
    /// Let the clock run fast, for tests in which days pass
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
    /// Make a key, and print only the key on standard output; the key is never shown again
    #[command(after_help = "\
Examples:
  hongyan key create --name orders
  hongyan key create --name shop --scopes messages,permits > shop.key
  hongyan key create --name partner --apps wx0123456789abcdef --expires 90d")]
    Create {
        /// The name of the key, such as the program that uses it; `key list` shows the name
        #[arg(long)]
        name: String,
        /// What the key may do: messages, permits, apps, webhooks, audit, or all of these; and, not part of all: facade,
        /// access_token, keys, people
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_value = "all")]
        scopes: Vec<Scope>,
        /// The apps that the key may use. Default: all apps
        #[arg(long, value_name = "APPID", value_delimiter = ',')]
        apps: Vec<AppId>,
        /// How long the key works, as 90d or 12h. Default: without end
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<Duration>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List keys; the secret part of a key is not stored and not shown
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Make a key stop working
    Revoke {
        /// The key's id, key_…, as `key list` shows it
        id: KeyId,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Encrypt the stored secrets again, with the new master key
    #[command(after_help = "\
The gateway may run meanwhile, if it has both keys: master_key and master_key_previous (or master.key and \
master.key.previous in the data directory). Do this in order:
  1. set the new key and the previous one, and restart the gateway
  2. hongyan key rotate-master
  3. remove the previous key, and restart the gateway
After an interruption run step 2 again: it continues.

Examples:
  hongyan key rotate-master
  hongyan key rotate-master --generate      # without a gateway: makes a new master.key first")]
    RotateMaster {
        /// Make a new key in master.key in the data directory, and keep the old key as master.key.previous
        #[arg(long)]
        generate: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// The gateway that a client command calls.
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// The gateway's URL; the API key is read from HONGYAN_API_KEY [env: HONGYAN_URL] [default: http://127.0.0.1:8780]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<Url>,
    /// A PEM file of CA certificates: trust these instead of the public CAs [env: HONGYAN_CA_FILE, SSL_CERT_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Allow http to another machine; others on the network can read the API key [env: HONGYAN_INSECURE_HTTP=true]
    #[arg(long)]
    pub(crate) insecure_http: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PermitPolicy {
    /// Fail at once if the user has no permit
    Require,
    /// Keep the message until the user has a permit
    Wait,
    /// Send the message even if the gateway knows of no permit
    Try,
}

impl PermitPolicy {
    /// The name of the policy in the API.
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
    /// One field of the template; name every field of the template
    #[arg(long, value_name = "FIELD=TEXT", required = true, value_parser = field)]
    pub(crate) data: Vec<(String, String)>,
    /// The page that opens when the user taps the message
    #[arg(long)]
    pub(crate) page: Option<String>,
    /// Send the message at this time (RFC 3339). Default: now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) send_at: Option<UnixMillis>,
    /// Do not send the message after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) deadline: Option<UnixMillis>,
    /// What to do if the user has no permit
    #[arg(long)]
    pub(crate) permit: Option<PermitPolicy>,
    /// Wait at most this many seconds for the outcome; exit code 1 if the message is not sent by then
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u8).range(0..=30))]
    pub(crate) wait: Option<u8>,
    /// Cut a text that is too long for its field, instead of refusing the message
    #[arg(long)]
    pub(crate) truncate: bool,
    /// Only check the message: nothing is sent, nothing is stored
    #[arg(long, conflicts_with_all = ["wait", "idempotency_key"])]
    pub(crate) validate: bool,
    /// An id of your own; `message list --reference` finds messages by it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reference: Option<String>,
    /// Replace an older unsent message to this user that has the same collapse key
    #[arg(long, value_name = "TEXT")]
    pub(crate) collapse_key: Option<String>,
    /// A repeat with the same key and the same message does not send the message again
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
List the messages in the state unknown: hongyan message list --state unknown

Examples:
  hongyan resolve msg_… --sent
  hongyan resolve msg_… --not-sent              sends the message again, with the permit kept for it
  hongyan resolve msg_… --not-sent --give-up    does not send it again, and frees its permit")]
#[command(group = ArgGroup::new("outcome").required(true).args(["sent", "not_sent"]))]
pub(crate) struct ResolveArgs {
    /// The message's id, msg_…
    pub(crate) id: MessageId,
    /// The user received the message
    #[arg(long)]
    pub(crate) sent: bool,
    /// The user did not receive the message: send it again, unless its deadline has passed
    #[arg(long)]
    pub(crate) not_sent: bool,
    /// Do not send the message again
    #[arg(long, conflicts_with = "sent")]
    pub(crate) give_up: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The check changes nothing: it makes no file and replaces no app's access token.")]
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
        _ => Err(word("写成 字段=文字，例如 thing1=拿铁", "write FIELD=TEXT, like thing1=Latte").to_owned()),
    }
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
}
