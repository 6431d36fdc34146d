//! `hongyan permit`: rights to notify users, at a running gateway.

use ::http::Method;
use serde_json::{Value, json};

use crate::cli::{PermitAddArgs, PermitArgs, PermitCommand, PermitListArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::output;

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
        output::remark("the permit was reported before; a code is one permit, however often it is reported");
    }
    Ok(())
}

async fn list(args: &PermitListArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let user = query(&[("app", args.app.as_str()), ("openid", args.openid.as_str())]);
    let (mut permits, mut behind) = (Vec::new(), String::new());
    // Reads all permits, page by page; the sums on each page cover all permits.
    let mut answer = loop {
        let path = format!("/v1/permits?{user}&limit=1000{behind}");
        let mut page = api.call(Method::GET, &path, &[], None).await?;
        if let Some(more) = page["permits"].as_array_mut() {
            permits.append(more);
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => behind = format!("&{}", query(&[("cursor", cursor)])),
            None => break page,
        }
    };
    answer["permits"] = permits.into();
    if args.remote.json {
        return output::json(&answer);
    }
    let permits = answer["permits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |permit: &Value| {
        let text = |name: &str| permit[name].as_str().unwrap_or_default().to_owned();
        let available = match permit["unlimited"].as_bool() {
            Some(true) => "unlimited".to_owned(),
            _ => permit["available"].to_string(),
        };
        let of = if text("template").is_empty() { text("code") } else { text("template") };
        vec![text("id"), text("kind"), available, of, text("expires_at")]
    };
    let rows: Vec<_> = permits.iter().map(row).collect();
    if rows.is_empty() {
        output::remark("the user has no permit; report a permit with: hongyan permit add");
    } else {
        output::line(&output::table(&["ID", "KIND", "AVAILABLE", "OF", "EXPIRES"], &rows))?;
    }
    let total = |name: &str| answer["totals"][name].to_string();
    output::remark(&format!(
        "granted {}, available {}, reserved {}, spent {}, expired {}, revoked {}",
        total("granted"),
        total("available"),
        total("reserved"),
        total("spent"),
        total("expired"),
        total("revoked")
    ));
    Ok(())
}

/// A query string from names and values.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
