//! Commands for permits and messages: daily questions of people who do not use the console.

use clap::{Args, Subcommand};
use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, PermitKind};
use hongyan_wechat::{AppId, OpenId, TemplateId};

use super::times::past;
use super::{ListArgs, PageArgs, RemoteArgs};
use crate::text::word;

#[derive(Debug, Args)]
pub(crate) struct PermitArgs {
    #[command(subcommand)]
    pub(crate) command: PermitCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PermitCommand {
    /// Report a permit: a right to notify a user
    #[command(after_help = "\
Kinds: form and payment (with --code), subscribe_once, subscribe_long_term and subscribe_device (with --template).

Examples:
  hongyan permit add --app wx… --openid o… --kind subscribe_once --template TEMPLATE
  hongyan permit add --app wx… --openid o… --kind form --code FORM_ID")]
    Add(PermitAddArgs),
    /// Show a user's permits and how many messages each still allows
    List(PermitListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PermitAddArgs {
    /// The mini program's appid
    #[arg(long, value_name = "APPID")]
    pub(crate) app: AppId,
    /// The user's openid
    #[arg(long, value_name = "OPENID")]
    pub(crate) openid: OpenId,
    /// Where the right comes from
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub(crate) kind: PermitKind,
    /// The form id or prepay id, for forms and payments
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// The template, for subscriptions
    #[arg(long, value_name = "ID")]
    pub(crate) template: Option<TemplateId>,
    /// How many messages the permit allows [default: one; payments: the app's payment_units]
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u32>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PermitListArgs {
    /// The mini program's appid
    #[arg(long, value_name = "APPID")]
    pub(crate) app: AppId,
    /// The user's openid
    #[arg(long, value_name = "OPENID")]
    pub(crate) openid: OpenId,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    #[command(subcommand)]
    pub(crate) command: MessageCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MessageCommand {
    /// Show a message: its state, the reason, and each attempt
    Show {
        /// The message's id, msg_…
        id: MessageId,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// List messages, newest first
    #[command(after_help = "\
Examples:
  hongyan message list --state unknown
  hongyan message list --app wx… --to o… --limit 10
  hongyan message list --reference order-1024
  hongyan message list --since 24h --state failed,expired --all -o csv > failed.csv")]
    List(MessageListArgs),
    /// Cancel a message, unless it is being sent already
    Cancel {
        /// The message's id, msg_…
        id: MessageId,
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct MessageListArgs {
    /// Only messages of this mini program
    #[arg(long, value_name = "APPID")]
    pub(crate) app: Option<AppId>,
    /// Only messages to this user
    #[arg(long, value_name = "OPENID", requires = "app")]
    pub(crate) to: Option<OpenId>,
    /// Only messages in this state; several states are separated by commas
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// Only messages with this template
    #[arg(long, value_name = "ID")]
    pub(crate) template: Option<TemplateId>,
    /// Only messages with this reference
    #[arg(long, value_name = "TEXT")]
    pub(crate) reference: Option<String>,
    /// Only messages for this reason, such as no_permit
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Option<String>,
    /// Only messages whose last attempt WeChat answered with this errcode
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) errcode: Option<i32>,
    /// Only messages accepted at this time or later: how long ago (24h, 7d), or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) since: Option<UnixMillis>,
    /// Only messages accepted before this time
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) until: Option<UnixMillis>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// The kind of a permit.
pub(super) fn kind(text: &str) -> Result<PermitKind, String> {
    let known = PermitKind::ALL.into_iter().find(|kind| kind.to_string() == text);
    known.ok_or_else(|| {
        let names: Vec<String> = PermitKind::ALL.iter().map(ToString::to_string).collect();
        format!("{}{}", word("已知的种类：", "known kinds: "), names.join(", "))
    })
}
