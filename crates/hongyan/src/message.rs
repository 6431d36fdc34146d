//! `hongyan message`: accepted messages, at a running gateway.

use ::http::Method;
use serde_json::Value;

use crate::cli::{MessageArgs, MessageCommand, MessageListArgs};
use crate::explain::told;
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape};
use crate::output;
use crate::query::Query;
use crate::text::{both, word};

/// Runs the command.
pub(crate) async fn run(args: MessageArgs) -> Result<(), Failure> {
    match args.command {
        MessageCommand::Show { id, remote } => {
            let path = format!("/v1/messages/{id}");
            let message = Api::remote(&remote)?.get(&path).await?;
            if remote.json { output::json(&message) } else { show(&message) }
        }
        MessageCommand::List(args) => list(&args).await,
        MessageCommand::Cancel { id, remote } => {
            let path = format!("/v1/messages/{id}");
            let answer = Api::remote(&remote)?.call(Method::DELETE, &path, &[], None).await?;
            if remote.json {
                return output::json(&answer);
            }
            output::line(&format!("{id}  {}", answer["state"].as_str().unwrap_or_default()))
        }
    }
}

/// Shows first what people ask first: the state and its reason, then the times of each step.
fn show(message: &Value) -> Result<(), Failure> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let names = [
        "id",
        "app",
        "to",
        "template",
        "reference",
        "state",
        "accepted_at",
        "send_at",
        "deadline",
        "attempt_count",
        "request_id",
        "trace_id",
    ];
    let present = names.into_iter().filter(|name| !message[*name].is_null());
    let mut rows: Vec<Vec<String>> =
        present.map(|name| vec![name.to_owned(), text(&message[name])]).collect();
    let reason = &message["reason"];
    if !reason.is_null() {
        rows.push(vec!["reason".into(), text(&reason["code"])]);
    }
    for attempt in message["attempts"].as_array().into_iter().flatten() {
        let code = attempt["errcode"].as_i64().map_or_else(String::new, |code| format!(" {code}"));
        rows.push(vec![
            "attempt".into(),
            format!("{} {}{code}", text(&attempt["started_at"]), text(&attempt["outcome"])),
        ]);
    }
    output::line(&output::table(&[word("消息", "MESSAGE"), ""], &rows))?;
    if let Some(why) = told(reason, "explanation") {
        output::remark(why);
    }
    Ok(())
}

/// What `message list` shows. The CSV has the columns of the console's export.
const MESSAGES: Shape = Shape {
    member: "messages",
    table: &[
        Column::at("ID", "/id"),
        Column::at("STATE", "/state"),
        Column::at("REASON", "/reason/code"),
        Column::at("ACCEPTED", "/accepted_at"),
        Column::at("TO", "/to"),
        Column::at("REFERENCE", "/reference"),
    ],
    csv: &[
        Column::at("id", "/id"),
        Column::at("app", "/app"),
        Column::at("to", "/to"),
        Column::at("template", "/template"),
        Column::at("channel", "/channel"),
        Column::at("state", "/state"),
        Column::at("reason", "/reason/code"),
        Column::at("errcode", "/reason/errcode"),
        Column::at("explanation", "/reason/explanation"),
        Column::at("attempt_count", "/attempt_count"),
        Column::at("permit", "/permit"),
        Column::at("permit_policy", "/permit_policy"),
        Column::at("on_unknown", "/on_unknown"),
        Column::at("reference", "/reference"),
        Column::at("collapse_key", "/collapse_key"),
        Column::at("replaced_by", "/replaced_by"),
        Column::at("accepted_at", "/accepted_at"),
        Column::at("send_at", "/send_at"),
        Column::at("deadline", "/deadline"),
        Column::at("updated_at", "/updated_at"),
    ],
    nothing: both("没有符合条件的消息", "no message matches"),
};

async fn list(args: &MessageListArgs) -> Result<(), Failure> {
    let query = Query::default()
        .with("app", args.app.as_ref())
        .with("to", args.to.as_ref())
        .with("state", args.state.as_ref())
        .with("template", args.template.as_ref())
        .with("reference", args.reference.as_ref())
        .with("reason", args.reason.as_ref())
        .with("errcode", args.errcode)
        .with("since", args.since)
        .with("until", args.until);
    let api = Api::remote(&args.list.remote)?;
    listing::print_pages(&api, ("/v1/messages", &query), &MESSAGES, &args.page, &args.list).await
}
