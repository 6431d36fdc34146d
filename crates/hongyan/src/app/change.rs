//! `hongyan app show`, `set`, `remove`, `pause`, `resume` and `rotate-secret`: commands for one registered app.

use ::http::Method;
use hongyan_clock::UnixMillis;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::secret::secret;
use super::templates::{is_refused, remark_on_templates};
use crate::cli::{AppOneArgs, AppSetArgs};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::http::Api;
use crate::output;
use crate::text::{say, word};

fn path(args: &AppOneArgs) -> String {
    format!("/v1/apps/{}", args.appid)
}

pub(super) async fn show(args: &AppOneArgs) -> Result<(), Failure> {
    let app = Api::remote(&args.remote)?.get(&path(args)).await?;
    print(args, &app)
}

pub(super) async fn set(args: &AppSetArgs) -> Result<(), Failure> {
    let mut change = Map::new();
    if args.secret_file.is_some() || args.secret_env {
        let secret = secret(args.secret_file.as_deref())?;
        change.insert("secret".into(), secret.expose_secret().into());
    }
    let optional = [
        ("name", args.name.as_deref().map(Value::from)),
        ("token", args.token.map(|call| call.name().into())),
        ("on_unknown", args.on_unknown.map(|policy| policy.name().into())),
        ("payment_units", args.payment_units.map(Value::from)),
        ("waiting_order", args.waiting_order.map(|order| order.name().into())),
        ("truncate", args.truncate.map(Value::from)),
    ];
    change.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    if change.is_empty() {
        return Err(Failure::usage(say!(
            "请至少给出一项要修改的内容；见 hongyan app set --help",
            "name at least one thing to change; see: hongyan app set --help"
        )));
    }
    let api = Api::remote(&args.app.remote)?;
    let mut app = api.call(Method::PATCH, &path(&args.app), &[], Some(&Value::Object(change))).await?;
    // The answer holds WeChat's reaction only after a new secret.
    let is_refused = is_refused(&app);
    if args.app.remote.json {
        output::json(&app)?;
        return if is_refused { Err(Failure::said()) } else { Ok(()) };
    }
    let sync = app.as_object_mut().and_then(|app| app.remove("template_sync")).unwrap_or_default();
    print(&args.app, &app)?;
    remark_on_templates(&sync);
    if is_refused {
        return Err(Failure::run(say!(
            "小程序 {appid} 已修改，但微信没有接受它的 AppSecret，见上文。请设置正确的 AppSecret：\
             hongyan app set {appid} --secret-file FILE",
            "{appid} is changed, but WeChat did not accept its AppSecret, see above. Set the right AppSecret with: \
             hongyan app set {appid} --secret-file FILE",
            appid = args.app.appid
        )));
    }
    Ok(())
}

pub(super) async fn remove(args: &AppOneArgs, is_sure: bool) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let question = say!(
        "删除小程序 {}？未发送的消息会取消，额度和 token 会删除。",
        "Remove {}? Its unsent messages are cancelled, its permits and tokens are deleted.",
        args.appid
    );
    confirm(&question, is_sure)?;
    api.call(Method::DELETE, &path(args), &[], None).await?;
    if args.remote.json {
        return output::json(&json!({ "appid": args.appid, "removed": true }));
    }
    output::remark(say!("小程序 {} 已删除", "{} is removed", args.appid));
    Ok(())
}

pub(super) async fn pause(
    args: &AppOneArgs,
    detail: Option<&str>,
    until: Option<UnixMillis>,
) -> Result<(), Failure> {
    let mut body = detail.map_or_else(|| json!({}), |detail| json!({ "detail": detail }));
    if let Some(until) = until {
        body["until"] = json!(until);
    }
    let path = format!("{}/pause", path(args));
    let app = Api::remote(&args.remote)?.call(Method::POST, &path, &[], Some(&body)).await?;
    if args.remote.json {
        return output::json(&app);
    }
    output::remark(say!(
        "小程序 {} 已暂停：保留消息，一条也不发，直到恢复：hongyan app resume {}",
        "{} is paused: its messages are kept and not sent until: hongyan app resume {}",
        args.appid,
        args.appid
    ));
    Ok(())
}

pub(super) async fn resume(args: &AppOneArgs) -> Result<(), Failure> {
    let path = format!("{}/resume", path(args));
    let app = Api::remote(&args.remote)?.call(Method::POST, &path, &[], Some(&json!({}))).await?;
    if args.remote.json {
        return output::json(&app);
    }
    output::remark(say!(
        "小程序 {} 已恢复：保留的消息会发出",
        "{} is resumed: its kept messages are sent",
        args.appid
    ));
    Ok(())
}

pub(super) async fn rotate_secret(args: &AppOneArgs) -> Result<(), Failure> {
    let body = json!({ "rotate_gateway_secret": true });
    let app = Api::remote(&args.remote)?.call(Method::PATCH, &path(args), &[], Some(&body)).await?;
    if args.remote.json {
        return output::json(&app);
    }
    output::line(app["gateway_secret"].as_str().unwrap_or_default())?;
    output::remark(say!(
        "这是小程序 {} 新的 gateway secret；旧的已经作废。新的以后不再显示。",
        "This is the new gateway secret of {}; the old secret does not work any more. The new secret is not shown again.",
        args.appid
    ));
    Ok(())
}

fn print(args: &AppOneArgs, app: &Value) -> Result<(), Failure> {
    if args.remote.json {
        return output::json(app);
    }
    output::members(&[word("小程序", "APP"), args.appid.as_str()], app)
}
