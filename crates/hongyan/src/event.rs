//! `hongyan event`: what WeChat pushed to the gateway.

use serde_json::Value;

use crate::cli::{EventArgs, EventCommand, EventListArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape, text};
use crate::query::Query;
use crate::text::both;

/// What `event list` shows.
const EVENTS: Shape = Shape {
    member: "events",
    table: &[
        Column::at("ID", "/id"),
        Column::at("RECEIVED", "/received_at"),
        Column::at("NAME", "/name"),
        Column::at("OPENID", "/openid"),
        Column::at("STATE", "/state"),
        Column::of("EFFECTS", effects),
    ],
    csv: &[
        Column::at("id", "/id"),
        Column::at("app", "/app"),
        Column::at("openid", "/openid"),
        Column::at("name", "/name"),
        Column::at("state", "/state"),
        Column::of("effects", effects),
        Column::at("created_at", "/created_at"),
        Column::at("received_at", "/received_at"),
        Column::at("worked_at", "/worked_at"),
        Column::at("body", "/body"),
    ],
    nothing: both(
        "微信没有推送过这样的事件；`hongyan app callback APPID` 可查看微信是否在推送",
        "WeChat pushed no such event; `hongyan app callback APPID` shows whether WeChat pushes",
    ),
};

/// Runs the command.
pub(crate) async fn run(args: EventArgs) -> Result<(), Failure> {
    let EventCommand::List(args) = args.command;
    list(&args).await
}

async fn list(args: &EventListArgs) -> Result<(), Failure> {
    let query = Query::default()
        .with("app", args.app.as_ref())
        .with("openid", args.openid.as_ref())
        .with("name", args.name.as_ref())
        .with("since", args.since)
        .with("until", args.until);
    let api = Api::remote(&args.list.remote)?;
    listing::print_pages(&api, ("/v1/events", &query), &EVENTS, &args.page, &args.list).await
}

/// The names of what an event did, each with the message or the permit that it did this to.
fn effects(event: &Value) -> String {
    let effect = |effect: &Value| {
        let object = [&effect["message"], &effect["permit"]].into_iter().find(|id| id.is_string());
        [Some(&effect["effect"]), object].into_iter().flatten().map(text).collect::<Vec<_>>().join(" ")
    };
    let effects = event["effects"].as_array().into_iter().flatten().map(effect);
    effects.collect::<Vec<_>>().join(", ")
}
