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

use crate::cli::{AppAddArgs, AppArgs, AppCommand, RemoteArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::output;

/// Runs the command.
pub(crate) async fn run(args: AppArgs) -> Result<(), Failure> {
    match args.command {
        AppCommand::Add(args) => add(&args).await,
        AppCommand::List(args) => list(&args).await,
        AppCommand::Show(args) => change::show(&args).await,
        AppCommand::Set(args) => change::set(&args).await,
        AppCommand::Remove(args) => change::remove(&args).await,
        AppCommand::Pause { app, detail } => change::pause(&app, detail.as_deref()).await,
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
    output::remark(&format!(
        "{} is registered. Below is its gateway secret: what clients of the facade use as `secret`.\n\
         It is not shown again.",
        args.appid
    ));
    output::line(app["gateway_secret"].as_str().unwrap_or_default())?;
    remark_on_templates(&app["template_sync"]);
    if is_refused(&app) {
        return Err(Failure::run(format!(
            "{appid} is registered, but cannot be used yet: WeChat did not accept its AppSecret, see above. If the AppSecret \
             is wrong, set the right AppSecret with: hongyan app set {appid} --secret-file FILE. If the appid is wrong, remove \
             the app with: hongyan app remove {appid}",
            appid = args.appid
        )));
    }
    Ok(())
}

async fn list(args: &RemoteArgs) -> Result<(), Failure> {
    let answer = Api::remote(args)?.call(Method::GET, "/v1/apps", &[], None).await?;
    if args.json {
        return output::json(&answer);
    }
    let apps = answer["apps"].as_array().map(Vec::as_slice).unwrap_or_default();
    if apps.is_empty() {
        output::remark("no app is registered; register one with: hongyan app add");
        return Ok(());
    }
    let row = |app: &Value| {
        let text = |name: &str| app[name].as_str().unwrap_or_default().to_owned();
        let state = app["paused"]["detail"]
            .as_str()
            .map_or_else(|| "running".to_owned(), |why| format!("paused: {why}"));
        vec![text("appid"), text("name"), app["templates"].to_string(), text("created_at"), state]
    };
    let rows: Vec<_> = apps.iter().map(row).collect();
    output::line(&output::table(&["APPID", "NAME", "TEMPLATES", "REGISTERED", "STATE"], &rows))
}
