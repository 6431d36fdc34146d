//! `hongyan quota`: how much of WeChat's daily quotas is used.

use serde_json::{Value, json};

use crate::cli::{Format, QuotaArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape};
use crate::output;
use crate::text::{Text, both};

/// What `quota` shows: one row for each call of each app.
const QUOTAS: Shape = Shape {
    member: "quotas",
    table: &[
        Column::at("APP", "/app"),
        Column::at("CALL", "/path"),
        Column::at("USED", "/used"),
        Column::at("LEFT", "/left"),
        Column::at("A DAY", "/daily_limit"),
        Column::at("ASKED", "/asked_at"),
    ],
    csv: &[
        Column::at("app", "/app"),
        Column::at("path", "/path"),
        Column::at("used", "/used"),
        Column::at("left", "/left"),
        Column::at("daily_limit", "/daily_limit"),
        Column::at("asked_at", "/asked_at"),
    ],
    nothing: both(
        "还不知道额度：网关在后台向微信查询；请过几秒再试",
        "no quota is known yet: the gateway asks WeChat in the background; try again in some seconds",
    ),
};

/// Runs the command.
pub(crate) async fn run(args: QuotaArgs) -> Result<(), Failure> {
    let answer = Api::remote(&args.list.remote)?.get("/v1/quotas").await?;
    if args.list.format() == Format::Json {
        return output::json(&answer);
    }
    listing::print(&args.list, &QUOTAS, &json!({ QUOTAS.member: rows(&answer) }))?;
    for app in answer["apps"].as_array().into_iter().flatten() {
        if let Some(failure) = app["failure"].as_str() {
            output::warn(Text::same(format!("{}: {failure}", app["app"].as_str().unwrap_or_default())));
        }
    }
    Ok(())
}

/// The quotas of all apps, each with its app.
fn rows(answer: &Value) -> Vec<Value> {
    let apps = answer["apps"].as_array().into_iter().flatten();
    let of_app = |app: &Value| {
        let (name, asked_at) = (app["app"].clone(), app["asked_at"].clone());
        let quotas = app["quotas"].as_array().cloned().unwrap_or_default();
        quotas.into_iter().map(move |mut quota| {
            quota["app"] = name.clone();
            quota["asked_at"] = asked_at.clone();
            quota
        })
    };
    apps.flat_map(of_app).collect()
}
