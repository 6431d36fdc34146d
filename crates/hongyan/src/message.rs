//! `hongyan message`: accepted messages, at a running gateway.

use ::http::Method;
use serde_json::Value;

use crate::cli::{MessageArgs, MessageCommand, MessageListArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::output;
use crate::permit::query;

/// Runs the command.
pub(crate) async fn run(args: MessageArgs) -> Result<(), Failure> {
    match args.command {
        MessageCommand::Show { id, remote } => {
            let path = format!("/v1/messages/{id}");
            let message = Api::remote(&remote)?.call(Method::GET, &path, &[], None).await?;
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
        "sent_at",
        "attempt_count",
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
            format!("{} {}{code}", text(&attempt["at"]), text(&attempt["outcome"])),
        ]);
    }
    output::line(&output::table(&["MESSAGE", ""], &rows))?;
    if let Some(why) = reason["explanation"].as_str() {
        output::remark(why);
    }
    Ok(())
}

async fn list(args: &MessageListArgs) -> Result<(), Failure> {
    let limit = args.limit.to_string();
    let mut pairs = vec![("limit", limit.as_str())];
    pairs.extend(args.app.as_ref().map(|app| ("app", app.as_str())));
    pairs.extend(args.to.as_ref().map(|to| ("to", to.as_str())));
    pairs.extend(args.state.as_deref().map(|state| ("state", state)));
    pairs.extend(args.reference.as_deref().map(|reference| ("reference", reference)));
    let path = format!("/v1/messages?{}", query(&pairs));
    let answer = Api::remote(&args.remote)?.call(Method::GET, &path, &[], None).await?;
    if args.remote.json {
        return output::json(&answer);
    }
    let messages = answer["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        output::remark("no message matches");
        return Ok(());
    }
    let row = |message: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        vec![
            text(&message["id"]),
            text(&message["state"]),
            text(&message["reason"]["code"]),
            text(&message["accepted_at"]),
            text(&message["to"]),
            text(&message["reference"]),
        ]
    };
    let rows: Vec<_> = messages.iter().map(row).collect();
    output::line(&output::table(&["ID", "STATE", "REASON", "ACCEPTED", "TO", "REFERENCE"], &rows))?;
    if answer["next_cursor"].is_string() {
        output::remark("there are more messages; --limit shows up to 1000");
    }
    Ok(())
}
