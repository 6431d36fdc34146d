//! Commands that look at a running gateway: figures, events, nodes, quotas, the audit trail, reachable users.

use clap::{Args, Subcommand, ValueEnum};
use hongyan_clock::UnixMillis;
use hongyan_ledger::PermitKind;
use hongyan_wechat::{AppId, OpenId, TemplateId};

use super::daily::kind;
use super::times::past;
use super::{ConfigArgs, ListArgs, PageArgs, RemoteArgs};

#[derive(Debug, Args)]
#[command(after_help = "\
Without --app: the usable units of all apps, by kind. With --app: users and units by kind and template. With --template or \
--kind: how many users these permits reach, each user counted once.

Examples:
  hongyan reach
  hongyan reach --app wx0123456789abcdef
  hongyan reach --app wx0123456789abcdef --template TEMPLATE")]
pub(crate) struct ReachArgs {
    /// The mini program's appid
    #[arg(long, value_name = "APPID")]
    pub(crate) app: Option<AppId>,
    /// Only permits that serve this template
    #[arg(long, value_name = "ID", requires = "app")]
    pub(crate) template: Option<TemplateId>,
    /// Only permits of this kind
    #[arg(long, value_name = "KIND", requires = "app", value_parser = kind)]
    pub(crate) kind: Option<PermitKind>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EventArgs {
    #[command(subcommand)]
    pub(crate) command: EventCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// List the events that WeChat pushed, newest first, and what each event did
    #[command(after_help = "\
Examples:
  hongyan event list --since 24h
  hongyan event list --app wx… --openid o…
  hongyan event list --name subscribe_msg_sent_event --all -o csv > events.csv")]
    List(EventListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct EventListArgs {
    /// Only events of this mini program
    #[arg(long, value_name = "APPID")]
    pub(crate) app: Option<AppId>,
    /// Only events about this user
    #[arg(long, value_name = "OPENID", requires = "app")]
    pub(crate) openid: Option<OpenId>,
    /// Only events with this name at WeChat
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Only events received at this time or later: how long ago (24h, 7d), or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) since: Option<UnixMillis>,
    /// Only events received before this time
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) until: Option<UnixMillis>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hongyan stats                                 the last 24 hours, hour by hour
  hongyan stats --since 7d --step day --app wx0123456789abcdef
  hongyan stats --since 30d --by template -o csv")]
pub(crate) struct StatsArgs {
    /// Only messages of this mini program
    #[arg(long, value_name = "APPID")]
    pub(crate) app: Option<AppId>,
    /// Only messages with this template
    #[arg(long, value_name = "ID")]
    pub(crate) template: Option<TemplateId>,
    /// From this time on: how long ago (24h, 7d), or RFC 3339
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = past)]
    pub(crate) since: UnixMillis,
    /// Up to this time. Default: now
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) until: Option<UnixMillis>,
    /// How long a step is. Default: a minute for up to 6 hours, an hour for up to 14 days, else a day
    #[arg(long)]
    pub(crate) step: Option<Step>,
    /// One row for each app or template, instead of one for each step
    #[arg(long)]
    pub(crate) by: Option<StatsBy>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Kept for 48 hours
    Minute,
    /// Kept for 90 days
    Hour,
    /// A day of China (UTC+8), kept for two years
    Day,
}

impl Step {
    /// The name of the step in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsBy {
    App,
    Template,
}

impl StatsBy {
    /// Its name in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Template => "template",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    pub(crate) command: NodeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the running gateways that share the database, and their lanes
    List(ListArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The gateway asks WeChat in the background, at most every five minutes: right after a start it knows nothing.

Examples:
  hongyan quota
  hongyan quota --json")]
pub(crate) struct QuotaArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List who changed what, newest first
    #[command(after_help = "\
The key needs the scope audit.

Examples:
  hongyan audit list --since 24h
  hongyan audit list --since 30d --all -o csv > audit.csv")]
    List(AuditListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AuditListArgs {
    /// Only changes at this time or later: how long ago (24h, 7d), or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) since: Option<UnixMillis>,
    /// Only changes before this time
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) until: Option<UnixMillis>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
First everything that `hongyan check` looks at on this machine; then what the running gateway says: its version, paused apps, \
late messages, messages of unknown outcome, permits that expire, webhooks that fail, WeChat's quotas, nodes. Each line that is \
NOT OK says what to do. The key needs the scopes messages, permits, apps and webhooks; what a key may not see is not looked at.

Exit codes: 0 all is well, 1 a person has something to do, 78 the gateway would not start.

Examples:
  hongyan doctor
  hongyan doctor --remote --url https://gateway.example.com")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Only ask the running gateway, and do not look at the configuration and the database of this machine
    #[arg(long, conflicts_with_all = ["deep", "config", "data_dir", "database", "wechat_base_url"])]
    pub(crate) remote: bool,
    /// Also compare every index of the database with its table; takes several times as long
    #[arg(long)]
    pub(crate) deep: bool,
    #[command(flatten)]
    pub(crate) gateway: RemoteArgs,
}
