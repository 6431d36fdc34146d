//! `hongyan audit`: who changed what.

use serde_json::Value;

use crate::cli::{AuditArgs, AuditCommand};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape, text};
use crate::query::Query;
use crate::text::both;

/// What `audit list` shows.
const LINES: Shape = Shape {
    member: "audit",
    table: &[
        Column::at("AT", "/at"),
        Column::of("WHO", who),
        Column::at("CALL", "/call"),
        Column::at("OBJECT", "/object"),
        Column::of("RESULT", result),
        Column::of("FIELDS", fields),
    ],
    csv: &[
        Column::at("at", "/at"),
        Column::at("actor_kind", "/actor/kind"),
        Column::at("actor_id", "/actor/id"),
        Column::at("actor_name", "/actor/name"),
        Column::at("call", "/call"),
        Column::at("app", "/app"),
        Column::at("object", "/object"),
        Column::at("result", "/result"),
        Column::of("fields", fields),
    ],
    nothing: both("这段时间没有任何改动", "nothing was changed in this time"),
};

/// Runs the command.
pub(crate) async fn run(args: AuditArgs) -> Result<(), Failure> {
    let AuditCommand::List(args) = args.command;
    let query = Query::default().with("since", args.since).with("until", args.until);
    let api = Api::remote(&args.list.remote)?;
    listing::print_pages(&api, ("/v1/audit", &query), &LINES, &args.page, &args.list).await
}

/// The actor's name, or what it is.
fn who(line: &Value) -> String {
    let actor = &line["actor"];
    match actor["name"].as_str() {
        Some(name) => format!("{} {name}", text(&actor["kind"])),
        None => text(&actor["kind"]),
    }
}

/// The names of the fields that the call set.
fn fields(line: &Value) -> String {
    line["fields"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ")
}

fn result(line: &Value) -> String {
    line["result"].as_str().unwrap_or("not recorded").to_owned()
}
