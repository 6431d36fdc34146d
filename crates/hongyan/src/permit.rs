//! `hongyan permit`: rights to notify users, at a running gateway.

use ::http::Method;
use serde_json::{Value, json};

use crate::cli::{Format, PermitAddArgs, PermitArgs, PermitCommand, PermitListArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape};
use crate::output;
use crate::query::Query;
use crate::text::{both, say, word};

/// Runs the command.
pub(crate) async fn run(args: PermitArgs) -> Result<(), Failure> {
    match args.command {
        PermitCommand::Add(args) => add(&args).await,
        PermitCommand::List(args) => list(&args).await,
    }
}

async fn add(args: &PermitAddArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let mut permit = json!({ "app": args.app, "openid": args.openid, "kind": args.kind });
    let optional = [
        ("code", args.code.as_deref().map(Value::from)),
        ("template", args.template.as_ref().map(|template| json!(template))),
        ("count", args.count.map(Value::from)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            permit[name] = value;
        }
    }
    let answer = api.call(Method::POST, "/v1/permits", &[], Some(&permit)).await?;
    if args.remote.json {
        return output::json(&answer);
    }
    output::line(answer["id"].as_str().unwrap_or_default())?;
    if answer["duplicate"] == true {
        output::remark(say!(
            "这份额度以前上报过；同一个凭据无论上报几次都只是一份额度",
            "the permit was reported before; a code is one permit, however often it is reported"
        ));
    }
    Ok(())
}

/// What `permit list` shows.
const PERMITS: Shape = Shape {
    member: "permits",
    table: &[
        Column::at("ID", "/id"),
        Column::at("KIND", "/kind"),
        Column::of("AVAILABLE", available),
        Column::at("OF", "/granted"),
        Column::at("TEMPLATE", "/template"),
        Column::at("EXPIRES", "/expires_at"),
    ],
    csv: &[
        Column::at("id", "/id"),
        Column::at("kind", "/kind"),
        Column::at("template", "/template"),
        Column::at("code", "/code"),
        Column::at("unlimited", "/unlimited"),
        Column::at("granted", "/granted"),
        Column::at("available", "/available"),
        Column::at("reserved", "/reserved"),
        Column::at("spent", "/spent"),
        Column::at("expired", "/expired"),
        Column::at("revoked", "/revoked"),
        Column::at("granted_at", "/granted_at"),
        Column::at("expires_at", "/expires_at"),
    ],
    nothing: both(
        "该用户没有下发额度；上报：hongyan permit add",
        "the user has no permit; report a permit with: hongyan permit add",
    ),
};

async fn list(args: &PermitListArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.list.remote)?;
    let user = Query::default().with("app", Some(&args.app)).with("openid", Some(&args.openid));
    let (mut permits, mut cursor) = (Vec::new(), None);
    // Reads all permits, page by page; the sums on each page cover all permits.
    let mut answer = loop {
        let query = user.clone().with("limit", Some(1_000)).with("cursor", cursor);
        let mut page = api.get(&query.of("/v1/permits")).await?;
        if let Some(more) = page["permits"].as_array_mut() {
            permits.append(more);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break page,
        }
    };
    answer["permits"] = permits.into();
    listing::print(&args.list, &PERMITS, &answer)?;
    if args.list.format() == Format::Table {
        let total = |name: &str| answer["totals"][name].to_string();
        output::remark(say!(
            "授予 {}，可用 {}，预留 {}，消耗 {}，过期 {}，撤销 {}",
            "granted {}, available {}, reserved {}, spent {}, expired {}, revoked {}",
            total("granted"),
            total("available"),
            total("reserved"),
            total("spent"),
            total("expired"),
            total("revoked")
        ));
    }
    Ok(())
}

fn available(permit: &Value) -> String {
    if permit["unlimited"] == true {
        word("不限", "unlimited").to_owned()
    } else {
        listing::text(&permit["available"])
    }
}
