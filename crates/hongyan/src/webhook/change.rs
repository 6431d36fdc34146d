//! Setting webhooks up, showing, changing and removing them.

use ::http::Method;
use serde_json::{Map, Value, json};

use crate::cli::{FilterArgs, WebhookAddArgs, WebhookOneArgs, WebhookSetArgs};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::http::Api;
use crate::output;
use crate::text::{say, word};

/// The path of a webhook.
pub(super) fn path(args: &WebhookOneArgs) -> String {
    format!("/v1/webhooks/{}", args.id)
}

/// The body that sets up a webhook.
pub(super) fn new(address: &str, filter: &FilterArgs, description: Option<&str>) -> Value {
    let mut body = json!({ "url": address, "types": filter.types, "apps": filter.apps });
    if let Some(description) = description {
        body["description"] = description.into();
    }
    body
}

pub(super) async fn add(args: &WebhookAddArgs) -> Result<(), Failure> {
    let body = new(args.address.as_str(), &args.filter, args.description.as_deref());
    let webhook = Api::remote(&args.remote)?.call(Method::POST, "/v1/webhooks", &[], Some(&body)).await?;
    if args.remote.json {
        return output::json(&webhook);
    }
    let id = webhook["id"].as_str().unwrap_or_default();
    output::remark(say!(
        "{id} 已设置。下面是它的密钥，用来给事件签名，以后不再显示。试一试：hongyan webhook test {id} --wait 10",
        "{id} is set up. Below is its secret, which signs the events. The secret is not shown again. Try the webhook with: \
         hongyan webhook test {id} --wait 10"
    ));
    output::line(webhook["secret"].as_str().unwrap_or_default())
}

pub(super) async fn show(args: &WebhookOneArgs) -> Result<(), Failure> {
    let webhook = Api::remote(&args.remote)?.get(&path(args)).await?;
    print(args, &webhook)
}

pub(super) async fn set(args: &WebhookSetArgs) -> Result<(), Failure> {
    let mut change = Map::new();
    let filter = &args.filter;
    let optional = [
        ("url", args.address.as_ref().map(|address| address.as_str().into())),
        ("types", (args.all_types || !filter.types.is_empty()).then(|| json!(filter.types))),
        ("apps", (args.all_apps || !filter.apps.is_empty()).then(|| json!(filter.apps))),
        ("description", args.description.as_deref().map(Value::from)),
        ("disable", args.disable.then_some(Value::Bool(true))),
    ];
    change.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    if change.is_empty() && !args.enable {
        return Err(Failure::usage(say!(
            "请至少给出一项要修改的内容；见 hongyan webhook set --help",
            "name at least one thing to change; see: hongyan webhook set --help"
        )));
    }
    let (api, path) = (Api::remote(&args.webhook.remote)?, path(&args.webhook));
    let mut webhook = Value::Null;
    if !change.is_empty() {
        webhook = api.call(Method::PATCH, &path, &[], Some(&Value::Object(change))).await?;
    }
    if args.enable {
        webhook = api.call(Method::POST, &format!("{path}/enable"), &[], Some(&json!({}))).await?;
    }
    print(&args.webhook, &webhook)
}

pub(super) async fn remove(args: &WebhookOneArgs, is_sure: bool) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let question =
        say!("删除 {}？待投递的事件会删除。", "Remove {}? Its pending events are deleted.", args.id);
    confirm(&question, is_sure)?;
    api.call(Method::DELETE, &path(args), &[], None).await?;
    if args.remote.json {
        return output::json(&json!({ "id": args.id, "removed": true }));
    }
    output::remark(say!("{} 已删除", "{} is removed", args.id));
    Ok(())
}

pub(super) async fn rotate(args: &WebhookOneArgs) -> Result<(), Failure> {
    let path = format!("{}/secret", path(args));
    let webhook = Api::remote(&args.remote)?.call(Method::POST, &path, &[], Some(&json!({}))).await?;
    if args.remote.json {
        return output::json(&webhook);
    }
    output::line(webhook["secret"].as_str().unwrap_or_default())?;
    output::remark(say!(
        "这是 {} 的新密钥，以后不再显示。旧密钥在 {} 之前也用来签名。",
        "This is the new secret of {}. It is not shown again. The old secret signs too until {}.",
        args.id,
        webhook["previous_secret_until"].as_str().unwrap_or_default()
    ));
    Ok(())
}

fn print(args: &WebhookOneArgs, webhook: &Value) -> Result<(), Failure> {
    if args.remote.json {
        return output::json(webhook);
    }
    output::members(&[word("webhook", "WEBHOOK"), &args.id.to_string()], webhook)
}
