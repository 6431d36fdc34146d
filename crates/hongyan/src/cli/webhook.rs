//! Commands for webhooks.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use hongyan_clock::UnixMillis;
use hongyan_ledger::{WebhookEventId, WebhookId};
use hongyan_wechat::AppId;
use url::Url;

use super::times::past;
use super::{ListArgs, PageArgs, RemoteArgs};

#[derive(Debug, Args)]
pub(crate) struct WebhookArgs {
    #[command(subcommand)]
    pub(crate) command: WebhookCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Set up a webhook, and print only its secret on standard output; the secret is never shown again
    #[command(after_help = "\
Examples:
  hongyan webhook add https://shop.example.com/hongyan
  hongyan webhook add https://shop.example.com/hongyan --types message.failed,message.unknown --apps wx… > webhook.secret")]
    Add(WebhookAddArgs),
    /// List webhooks
    List(ListArgs),
    /// Show a webhook: its settings, its last answer, its backlog
    Show(WebhookOneArgs),
    /// Change a webhook, disable it, or enable it
    #[command(after_help = "\
Examples:
  hongyan webhook set whk_… --address https://shop.example.com/hooks
  hongyan webhook set whk_… --enable            sends the events that were kept for it")]
    Set(WebhookSetArgs),
    /// Send a test event to a webhook
    #[command(after_help = "\
Exit code 1 with --wait: the webhook did not take the event in time.

Examples:
  hongyan webhook test whk_… --wait 10")]
    Test(WebhookTestArgs),
    /// Send events again, as if they had never been sent
    #[command(after_help = "\
Examples:
  hongyan webhook replay whk_… --event whe_…
  hongyan webhook replay whk_… --since 24h")]
    Replay(WebhookReplayArgs),
    /// List the deliveries of a webhook, newest first
    Deliveries(WebhookDeliveriesArgs),
    /// Remove a webhook: its pending events are deleted
    Remove {
        #[command(flatten)]
        webhook: WebhookOneArgs,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Make a new secret for a webhook, and print only the secret on standard output; the old secret signs too for 24 hours
    Rotate(WebhookOneArgs),
    /// Receive events on this machine, verify their signatures, and print one line for each; for development
    #[command(after_help = "\
Makes a webhook that leads here, and removes it at the end (Ctrl-C). The gateway must allow http and addresses of this machine, \
as `hongyan demo` does (webhook_allow_http, webhook_allow_private); or a public address must lead here (--public-url).

With --secret-file a webhook that exists is taken: its address must lead here, and nothing is made or removed.

--json prints the webhook first, then one document for each event.

Examples:
  hongyan webhook listen
  hongyan webhook listen --types message.sent,message.failed --forward http://127.0.0.1:3000/hooks
  hongyan webhook listen --listen 127.0.0.1:9911 --public-url https://tunnel.example.com/
  hongyan webhook listen --listen 127.0.0.1:9911 --secret-file webhook.secret")]
    Listen(WebhookListenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WebhookOneArgs {
    /// The webhook's id, whk_…
    pub(crate) id: WebhookId,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Which events a webhook gets.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only events of these types, such as message.sent. Default: all types
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(crate) types: Vec<String>,
    /// Only events of these mini programs. Default: all apps of the key
    #[arg(long, value_name = "APPID", value_delimiter = ',')]
    pub(crate) apps: Vec<AppId>,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookAddArgs {
    /// The URL that events are posted to
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Url,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// What the webhook is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookSetArgs {
    #[command(flatten)]
    pub(crate) webhook: WebhookOneArgs,
    /// The new URL that events are posted to
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<Url>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Events of all types
    #[arg(long, conflicts_with = "types")]
    pub(crate) all_types: bool,
    /// Events of all apps
    #[arg(long, conflicts_with = "apps")]
    pub(crate) all_apps: bool,
    /// What the webhook is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Send nothing to the webhook, and keep its events until it is enabled
    #[arg(long, conflicts_with = "enable")]
    pub(crate) disable: bool,
    /// Send to the webhook again, also the events that were kept for it
    #[arg(long)]
    pub(crate) enable: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookTestArgs {
    #[command(flatten)]
    pub(crate) webhook: WebhookOneArgs,
    /// Wait at most this many seconds until the webhook has taken the event
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u8).range(1..=60))]
    pub(crate) wait: Option<u8>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("events").required(true).args(["event", "since"]))]
pub(crate) struct WebhookReplayArgs {
    #[command(flatten)]
    pub(crate) webhook: WebhookOneArgs,
    /// This event, whe_…
    #[arg(long, value_name = "ID")]
    pub(crate) event: Option<WebhookEventId>,
    /// The events at this time or later that the webhook wants: how long ago (24h, 7d), or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) since: Option<UnixMillis>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", requires = "since", value_parser = past)]
    pub(crate) until: Option<UnixMillis>,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookDeliveriesArgs {
    /// The webhook's id, whk_…
    pub(crate) id: WebhookId,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookListenArgs {
    /// The address on which to receive; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// A URL of a tunnel or a proxy that leads here; the gateway posts to it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) public_url: Option<Url>,
    /// A file with the secret of a webhook that exists and leads here; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["types", "apps", "public_url"])]
    pub(crate) secret_file: Option<PathBuf>,
    /// Post each verified event to this URL too, and answer as it answers
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) forward: Option<Url>,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}
