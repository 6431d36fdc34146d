//! `hongyan stats`: figures over time.

use serde_json::{Value, json};

use crate::cli::{Format, StatsArgs, StatsBy, Step};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape, text};
use crate::query::Query;
use crate::text::{both, word};

/// The table of some figures: first the columns that name them.
macro_rules! figures {
    ($member:literal, table: [$($head:literal: $at:literal),*], csv: [$($name:literal),*]) => {
        Shape {
            member: $member,
            table: &[
                $(Column::at($head, $at),)*
                Column::at("ACCEPTED", "/accepted"),
                Column::at("SENT", "/sent"),
                Column::at("DELIVERED", "/delivered"),
                Column::at("REFUSED", "/refused"),
                Column::at("FAILED", "/failed"),
                Column::at("UNKNOWN", "/unknown"),
                Column::at("EXPIRED", "/expired"),
                Column::at("CANCELLED", "/cancelled"),
                Column::at("RETRIED", "/retried"),
                Column::at("P95 MS", "/lag/p95_ms"),
                Column::of("FAILED BECAUSE OF", reasons),
            ],
            csv: &[
                $(Column::at($name, concat!("/", $name)),)*
                Column::at("accepted", "/accepted"),
                Column::at("sent", "/sent"),
                Column::at("delivered", "/delivered"),
                Column::at("refused", "/refused"),
                Column::at("failed", "/failed"),
                Column::at("unknown", "/unknown"),
                Column::at("expired", "/expired"),
                Column::at("cancelled", "/cancelled"),
                Column::at("retried", "/retried"),
                Column::at("p50_ms", "/lag/p50_ms"),
                Column::at("p95_ms", "/lag/p95_ms"),
                Column::at("max_ms", "/lag/max_ms"),
                Column::of("failed_by", reasons),
            ],
            nothing: both("这段时间没有统计数据", "nothing was counted in this time"),
        }
    };
}

const STEPS: Shape = figures!("steps", table: ["FROM": "/start"], csv: ["start"]);

const APPS: Shape = figures!("apps", table: ["APP": "/app"], csv: ["app"]);

const TEMPLATES: Shape =
    figures!("templates", table: ["APP": "/app", "TEMPLATE": "/template"], csv: ["app", "template"]);

/// Runs the command.
pub(crate) async fn run(args: StatsArgs) -> Result<(), Failure> {
    let query = Query::default()
        .with("app", args.app.as_ref())
        .with("template", args.template.as_ref())
        .with("since", Some(args.since))
        .with("until", args.until)
        .with("step", args.step.map(Step::name))
        .with("by", args.by.map(StatsBy::name));
    let mut answer = Api::remote(&args.list.remote)?.get(&query.of("/v1/stats")).await?;
    let shape = match args.by {
        None => &STEPS,
        Some(StatsBy::App) => &APPS,
        Some(StatsBy::Template) => &TEMPLATES,
    };
    // People read the sum below the rows; a program adds up by itself.
    if args.list.format() == Format::Table {
        let mut totals = answer["totals"].take();
        let first = if args.by.is_none() { "start" } else { "app" };
        totals[first] = json!(word("合计", "in all"));
        if let Some(rows) = answer[shape.member].as_array_mut().filter(|rows| !rows.is_empty()) {
            rows.push(totals);
        }
    }
    listing::print(&args.list, shape, &answer)
}

/// Reasons with their counts, the most frequent first.
fn reasons(figures: &Value) -> String {
    let reason = |of: &Value| {
        let errcode = of["errcode"].as_i64().map_or_else(String::new, |errcode| format!(" ({errcode})"));
        format!("{} {}{errcode}", text(&of["count"]), text(&of["reason"]))
    };
    let reasons = figures["failed_by"].as_array().into_iter().flatten().map(reason);
    reasons.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_with_their_errcodes() {
        let failed_by = json!([{ "reason": "wechat_refused", "errcode": 43_101, "count": 3 }, { "reason": "no_permit", "count": 1 }]);
        assert_eq!(reasons(&json!({ "failed_by": failed_by })), "3 wechat_refused (43101), 1 no_permit");
        assert_eq!(reasons(&json!({})), "");
    }
}
