//! `hongyan app`: registered mini programs, at a running gateway.

pub(crate) mod callback;
mod change;
mod secret;
mod templates;

use ::http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use secret::secret;
use templates::{is_refused, remark_on_templates};

use crate::cli::{AppAddArgs, AppArgs, AppCommand, ListArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape};
use crate::output;
use crate::text::{both, say, word};

/// Runs the command.
pub(crate) async fn run(args: AppArgs) -> Result<(), Failure> {
    match args.command {
        AppCommand::Add(args) => add(&args).await,
        AppCommand::List(args) => list(&args).await,
        AppCommand::Show(args) => change::show(&args).await,
        AppCommand::Set(args) => change::set(&args).await,
        AppCommand::Remove { app, yes } => change::remove(&app, yes).await,
        AppCommand::Pause { app, detail, until } => change::pause(&app, detail.as_deref(), until).await,
        AppCommand::Resume(args) => change::resume(&args).await,
        AppCommand::RotateSecret(args) => change::rotate_secret(&args).await,
        AppCommand::Templates(args) => templates::run(&args).await,
        AppCommand::Callback(args) => callback::run(&args).await,
    }
}

async fn add(args: &AppAddArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let secret = secret(args.secret_file.as_deref())?;
    let mut body = json!({ "appid": args.appid, "secret": secret.expose_secret() });
    let optional = [
        ("name", args.name.as_deref().map(Value::from)),
        ("token", args.token.map(|call| call.name().into())),
        ("on_unknown", args.on_unknown.map(|policy| policy.name().into())),
        ("payment_units", args.payment_units.map(Value::from)),
        ("waiting_order", args.waiting_order.map(|order| order.name().into())),
        ("truncate", args.truncate.then_some(Value::Bool(true))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    let app = api.call(Method::POST, "/v1/apps", &[], Some(&body)).await?;
    if args.remote.json {
        output::json(&app)?;
        return if is_refused(&app) { Err(Failure::said()) } else { Ok(()) };
    }
    output::remark(say!(
        "小程序 {} 已登记。下面是它的 gateway secret，兼容接口的客户端以它作为 `secret`。\n以后不再显示。",
        "{} is registered. Below is its gateway secret: what clients of the facade use as `secret`.\n\
         It is not shown again.",
        args.appid
    ));
    output::line(app["gateway_secret"].as_str().unwrap_or_default())?;
    remark_on_templates(&app["template_sync"]);
    if is_refused(&app) {
        return Err(Failure::run(say!(
            "小程序 {appid} 已登记，但还不能使用：微信没有接受它的 AppSecret，见上文。AppSecret 有误时，请设置正确的：\
             hongyan app set {appid} --secret-file FILE。appid 有误时，请删除这个小程序：hongyan app remove {appid}",
            "{appid} is registered, but cannot be used yet: WeChat did not accept its AppSecret, see above. If the AppSecret \
             is wrong, set the right AppSecret with: hongyan app set {appid} --secret-file FILE. If the appid is wrong, remove \
             the app with: hongyan app remove {appid}",
            appid = args.appid
        )));
    }
    Ok(())
}

/// What `app list` shows.
const APPS: Shape = Shape {
    member: "apps",
    table: &[
        Column::at("APPID", "/appid"),
        Column::at("NAME", "/name"),
        Column::at("TEMPLATES", "/templates"),
        Column::at("REGISTERED", "/created_at"),
        Column::of("STATE", state),
    ],
    csv: &[
        Column::at("appid", "/appid"),
        Column::at("name", "/name"),
        Column::at("token", "/token"),
        Column::at("on_unknown", "/on_unknown"),
        Column::at("templates", "/templates"),
        Column::at("paused", "/paused/code"),
        Column::at("paused_detail", "/paused/detail"),
        Column::at("paused_since", "/paused/since"),
        Column::at("paused_until", "/paused/until"),
        Column::at("created_at", "/created_at"),
        Column::at("updated_at", "/updated_at"),
    ],
    nothing: both(
        "还没有登记小程序；登记：hongyan app add",
        "no app is registered; register one with: hongyan app add",
    ),
};

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let answer = Api::remote(&args.remote)?.get("/v1/apps").await?;
    listing::print(args, &APPS, &answer)
}

fn state(app: &Value) -> String {
    match app["paused"]["detail"].as_str() {
        None => word("运行中", "running").to_owned(),
        Some(why) => format!("{}{why}", word("已暂停：", "paused: ")),
    }
}
