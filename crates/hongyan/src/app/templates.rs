//! `hongyan app templates`, and what WeChat answered when an app's templates were read.

use ::http::Method;
use serde_json::{Value, json};

use crate::cli::AppTemplatesArgs;
use crate::failure::Failure;
use crate::http::Api;
use crate::output;
use crate::text::{Text, say, word};

pub(super) async fn run(args: &AppTemplatesArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let path = format!("/v1/apps/{}/templates", args.appid);
    if args.sync {
        let report = api.call(Method::POST, &format!("{path}/sync"), &[], Some(&json!({}))).await?;
        remark_on_templates(&report);
        for change in report["changes"].as_array().into_iter().flatten() {
            let text = |name: &str| change[name].as_str().unwrap_or_default();
            output::remark(Text::same(format!("{}: {} {}", text("change"), text("template"), text("title"))));
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
        output::remark(say!(
            "网关没有这个小程序的模板；--sync 向微信查询",
            "the gateway knows no template of this app; --sync asks WeChat"
        ));
        return Ok(());
    }
    let row = |template: &Value| {
        let text = |name: &str| template[name].as_str().unwrap_or_default().to_owned();
        let fields = template["fields"].as_array().into_iter().flatten();
        let names: Vec<&str> = fields.filter_map(|field| field["name"].as_str()).collect();
        vec![text("template"), text("kind"), text("title"), names.join(" ")]
    };
    let rows: Vec<_> = templates.iter().map(row).collect();
    output::line(&output::table(
        &[word("模板", "TEMPLATE"), word("类型", "KIND"), word("标题", "TITLE"), word("字段", "FIELDS")],
        &rows,
    ))
}

/// Whether WeChat refused both calls of an app's first synchronisation of templates. One call alone may fail: some apps
/// have only one of the two kinds of templates.
pub(super) fn is_refused(app: &Value) -> bool {
    ["subscribe", "legacy"].iter().all(|library| app["template_sync"][library]["state"] == "failed")
}

/// Prints what the synchronisation of templates found. A failed synchronisation does not undo the registration.
pub(super) fn remark_on_templates(sync: &Value) {
    for (library, name) in [
        ("subscribe", say!("订阅消息", "subscribe messages")),
        ("legacy", say!("模板消息", "template messages")),
    ] {
        let report = &sync[library];
        let (why, count) = (report["detail"].as_str(), &report["templates"]);
        let why = why.map_or_else(|| say!("没有给出原因", "no reason was given"), Text::same);
        match report["state"].as_str() {
            Some("failed") => output::warn(say!(
                "不能读取这个小程序的{name}模板：{why}；详情见 `hongyan check`",
                "the app's templates of {name} could not be read: {why}; `hongyan check` tells more";
                name, why
            )),
            Some(_) => output::remark(say!("{name}模板：{count}", "templates of {name}: {count}"; name)),
            None => {}
        }
    }
}
