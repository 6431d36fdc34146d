//! `hongyan reach`: how many users can be notified now.

use serde_json::{Value, json};

use crate::cli::{Format, ReachArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape, text};
use crate::output;
use crate::query::Query;
use crate::text::{Both, both, word};

/// What can be used, by app and kind.
const KINDS: Shape = Shape {
    member: "kinds",
    table: &[
        Column::at("APP", "/app"),
        Column::at("KIND", "/kind"),
        Column::at("UNITS", "/units"),
        Column::at("UNLIMITED", "/unlimited"),
        Column::at("EXPIRE IN 24 H", "/expiring"),
    ],
    csv: &[
        Column::at("app", "/app"),
        Column::at("kind", "/kind"),
        Column::at("units", "/units"),
        Column::at("unlimited", "/unlimited"),
        Column::at("expiring", "/expiring"),
    ],
    nothing: NOBODY,
};

/// Who can be reached in one app, by kind and template.
const PARTS: Shape = Shape {
    member: "parts",
    table: &[
        Column::at("KIND", "/kind"),
        Column::of("TEMPLATE", template),
        Column::at("USERS", "/users"),
        Column::at("UNITS", "/units"),
        Column::at("UNLIMITED", "/unlimited"),
        Column::at("EXPIRE IN 1, 2, … 7 DAYS", "/expiring"),
    ],
    csv: &[
        Column::at("kind", "/kind"),
        Column::at("template", "/template"),
        Column::at("users", "/users"),
        Column::at("units", "/units"),
        Column::at("unlimited", "/unlimited"),
        Column::at("expiring", "/expiring"),
    ],
    nothing: NOBODY,
};

/// How many users can be reached by the permits that are meant.
const SUM: Shape = Shape {
    member: "reach",
    table: &[
        Column::at("USERS", "/users"),
        Column::at("UNITS", "/units"),
        Column::at("UNLIMITED", "/unlimited"),
    ],
    csv: &[
        Column::at("users", "/users"),
        Column::at("units", "/units"),
        Column::at("unlimited", "/unlimited"),
    ],
    nothing: NOBODY,
};

const NOBODY: Both = both("现在没有可用的下发额度", "no permit can be used now");

/// Runs the command.
pub(crate) async fn run(args: ReachArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.list.remote)?;
    let Some(app) = &args.app else {
        let answer = api.get("/v1/reach/kinds").await?;
        return listing::print(&args.list, &KINDS, &answer);
    };
    let query = Query::default().with("app", Some(app));
    if args.template.is_none() && args.kind.is_none() {
        let answer = api.get(&query.of("/v1/reach/parts")).await?;
        return listing::print(&args.list, &PARTS, &answer);
    }
    let query = query.with("template", args.template.as_ref()).with("kind", args.kind);
    let answer = api.get(&query.of("/v1/reach")).await?;
    // The answer is one row; as JSON it stays what the API says.
    if args.list.format() == Format::Json {
        return output::json(&answer);
    }
    listing::print(&args.list, &SUM, &json!({ SUM.member: [answer] }))
}

fn template(part: &Value) -> String {
    if part["template"].is_null() { word("任意", "any").to_owned() } else { text(&part["template"]) }
}
