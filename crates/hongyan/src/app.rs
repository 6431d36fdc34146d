//! `hongyan app`: registered mini programs, at a running gateway.

pub(crate) mod callback;
mod change;

use std::io::Read;
use std::path::Path;

use ::http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::cli::{AppAddArgs, AppArgs, AppCommand, AppTemplatesArgs, RemoteArgs};
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
        AppCommand::Templates(args) => templates(&args).await,
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
            "{appid} is registered, but nothing of it can be used yet: WeChat did not take it, see above. If the AppSecret is \
             wrong, give the right one with: hongyan app set {appid} --secret-file FILE. If the appid is: hongyan app \
             remove {appid}",
            appid = args.appid
        )));
    }
    Ok(())
}

/// Whether WeChat took neither of the two calls that an app's first look at its templates makes. One alone may fail: not
/// every app has both kinds.
fn is_refused(app: &Value) -> bool {
    ["subscribe", "legacy"].iter().all(|library| app["template_sync"][library]["state"] == "failed")
}

/// What the synchronisation of templates found. Its failure does not undo the registration.
fn remark_on_templates(sync: &Value) {
    for (library, name) in [("subscribe", "subscribe messages"), ("legacy", "template messages")] {
        let report = &sync[library];
        match report["state"].as_str() {
            Some("failed") => output::warn(&format!(
                "its templates of {name} could not be read: {}; `hongyan check` says more",
                report["detail"].as_str().unwrap_or("no reason was given")
            )),
            Some(_) => output::remark(&format!("templates of {name}: {}", report["templates"])),
            None => {}
        }
    }
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

async fn templates(args: &AppTemplatesArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let path = format!("/v1/apps/{}/templates", args.appid);
    if args.sync {
        let report = api.call(Method::POST, &format!("{path}/sync"), &[], Some(&json!({}))).await?;
        remark_on_templates(&report);
        for change in report["changes"].as_array().into_iter().flatten() {
            let text = |name: &str| change[name].as_str().unwrap_or_default();
            output::remark(&format!("{}: {} {}", text("change"), text("template"), text("title")));
        }
    }
    if let Some(id) = &args.sample {
        let template = api.call(Method::GET, &format!("{path}/{id}"), &[], None).await?;
        return output::json(&template["message"]);
    }
    let answer = api.call(Method::GET, &path, &[], None).await?;
    if args.remote.json {
        return output::json(&answer);
    }
    let templates = answer["templates"].as_array().map(Vec::as_slice).unwrap_or_default();
    if templates.is_empty() {
        output::remark("the app has no template that is known here; --sync asks WeChat");
        return Ok(());
    }
    let row = |template: &Value| {
        let text = |name: &str| template[name].as_str().unwrap_or_default().to_owned();
        let fields = template["fields"].as_array().into_iter().flatten();
        let names: Vec<&str> = fields.filter_map(|field| field["name"].as_str()).collect();
        vec![text("template"), text("kind"), text("title"), names.join(" ")]
    };
    let rows: Vec<_> = templates.iter().map(row).collect();
    output::line(&output::table(&["TEMPLATE", "KIND", "TITLE", "FIELDS"], &rows))
}

/// The AppSecret, from wherever other users of the machine cannot read it.
fn secret(file: Option<&Path>) -> Result<SecretString, Failure> {
    let text = match file {
        Some(path) if path == Path::new("-") => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::run(format!("cannot read the AppSecret from standard input: {error}")))?;
            text
        }
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::run(format!("cannot read the AppSecret from {}: {error}", path.display())))?,
        None => std::env::var("HONGYAN_APP_SECRET").map_err(|_| {
            Failure::usage("name the AppSecret's file with --secret-file (- is standard input), or set HONGYAN_APP_SECRET")
        })?,
    };
    let secret = text.trim();
    if secret.is_empty() { Err(Failure::usage("the AppSecret is empty")) } else { Ok(secret.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_its_file_without_the_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "0123\n").unwrap();
        assert_eq!(secret(Some(&file)).unwrap().expose_secret(), "0123");
        std::fs::write(&file, "\n").unwrap();
        assert!(secret(Some(&file)).is_err());
    }
}
