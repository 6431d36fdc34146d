//! `hongyan app templates`, and what WeChat answered when an app's templates were read.

use ::http::Method;
use serde_json::{Value, json};

use crate::cli::AppTemplatesArgs;
use crate::failure::Failure;
use crate::http::Api;
use crate::output;

pub(super) async fn run(args: &AppTemplatesArgs) -> Result<(), Failure> {
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
        output::remark("the gateway knows no template of this app; --sync asks WeChat");
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

/// Whether WeChat refused both calls of an app's first synchronisation of templates. One call alone may fail: some apps
/// have only one of the two kinds of templates.
pub(super) fn is_refused(app: &Value) -> bool {
    ["subscribe", "legacy"].iter().all(|library| app["template_sync"][library]["state"] == "failed")
}

/// Prints what the synchronisation of templates found. A failed synchronisation does not undo the registration.
pub(super) fn remark_on_templates(sync: &Value) {
    for (library, name) in [("subscribe", "subscribe messages"), ("legacy", "template messages")] {
        let report = &sync[library];
        match report["state"].as_str() {
            Some("failed") => output::warn(&format!(
                "the app's templates of {name} could not be read: {}; `hongyan check` tells more",
                report["detail"].as_str().unwrap_or("no reason was given")
            )),
            Some(_) => output::remark(&format!("templates of {name}: {}", report["templates"])),
            None => {}
        }
    }
}
