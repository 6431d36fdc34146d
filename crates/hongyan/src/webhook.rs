//! `hongyan webhook`: webhooks of a running gateway, and a receiver of their events for development.
//!
//! | module | knows |
//! | --- | --- |
//! | [`change`] | setting webhooks up, changing and removing them |
//! | [`send`] | tests and replays |
//! | [`listen`] | receiving events on this machine |

use serde_json::Value;

use crate::cli::{WebhookArgs, WebhookCommand, WebhookDeliveriesArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape, text};
use crate::query::Query;
use crate::text::{both, word};

mod change;
mod event_line;
mod listen;
mod send;

/// What `webhook list` shows.
const WEBHOOKS: Shape = Shape {
    member: "webhooks",
    table: &[
        Column::at("ID", "/id"),
        Column::of("STATE", state),
        Column::at("PENDING", "/pending"),
        Column::of("LAST ANSWER", last_answer),
        Column::at("URL", "/url"),
        Column::at("DESCRIPTION", "/description"),
    ],
    csv: &[
        Column::at("id", "/id"),
        Column::at("url", "/url"),
        Column::at("description", "/description"),
        Column::at("types", "/types"),
        Column::at("apps", "/apps"),
        Column::at("state", "/state"),
        Column::at("disabled_reason", "/disabled_reason"),
        Column::at("failing_since", "/failing_since"),
        Column::at("pending", "/pending"),
        Column::at("oldest_pending_at", "/oldest_pending_at"),
        Column::at("last_status", "/last_answer/status"),
        Column::at("last_answer_at", "/last_answer/at"),
        Column::at("created_at", "/created_at"),
    ],
    nothing: both(
        "还没有 webhook；设置：hongyan webhook add ADDRESS",
        "there is no webhook; set one up with: hongyan webhook add ADDRESS",
    ),
};

/// What `webhook deliveries` shows.
const DELIVERIES: Shape = Shape {
    member: "deliveries",
    table: &[
        Column::at("EVENT", "/event"),
        Column::at("TYPE", "/type"),
        Column::at("AT", "/timestamp"),
        Column::at("STATE", "/state"),
        Column::at("ATTEMPTS", "/attempts"),
        Column::of("LAST ANSWER", last_answer),
        Column::at("NEXT TRY", "/next_try_at"),
    ],
    csv: &[
        Column::at("event", "/event"),
        Column::at("type", "/type"),
        Column::at("timestamp", "/timestamp"),
        Column::at("state", "/state"),
        Column::at("attempts", "/attempts"),
        Column::at("last_status", "/last_answer/status"),
        Column::at("last_text", "/last_answer/text"),
        Column::at("next_try_at", "/next_try_at"),
    ],
    nothing: both(
        "这个 webhook 还没有收到事件；发送一个：hongyan webhook test ID",
        "the webhook got no event yet; send one with: hongyan webhook test ID",
    ),
};

/// Runs the command.
pub(crate) async fn run(args: WebhookArgs) -> Result<(), Failure> {
    match args.command {
        WebhookCommand::Add(args) => change::add(&args).await,
        WebhookCommand::List(args) => {
            let answer = Api::remote(&args.remote)?.get("/v1/webhooks").await?;
            listing::print(&args, &WEBHOOKS, &answer)
        }
        WebhookCommand::Show(args) => change::show(&args).await,
        WebhookCommand::Set(args) => change::set(&args).await,
        WebhookCommand::Test(args) => send::test(&args).await,
        WebhookCommand::Replay(args) => send::replay(&args).await,
        WebhookCommand::Deliveries(args) => deliveries(&args).await,
        WebhookCommand::Remove { webhook, yes } => change::remove(&webhook, yes).await,
        WebhookCommand::Rotate(args) => change::rotate(&args).await,
        WebhookCommand::Listen(args) => listen::run(args).await,
    }
}

async fn deliveries(args: &WebhookDeliveriesArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.list.remote)?;
    let path = format!("/v1/webhooks/{}/deliveries", args.id);
    listing::print_pages(&api, (&path, &Query::default()), &DELIVERIES, &args.page, &args.list).await
}

fn state(webhook: &Value) -> String {
    let state = text(&webhook["state"]);
    match (webhook["disabled_reason"].as_str(), webhook["failing_since"].as_str()) {
        (Some(reason), _) => format!("{state}: {reason}"),
        (None, Some(since)) => format!("{state}{}{since}", word("，出错自 ", ", failing since ")),
        (None, None) => state,
    }
}

/// The status of the last answer, or why there was no answer.
fn last_answer(of: &Value) -> String {
    let answer = &of["last_answer"];
    match answer["status"].as_u64() {
        Some(status) => status.to_string(),
        None => text(&answer["text"]),
    }
}
