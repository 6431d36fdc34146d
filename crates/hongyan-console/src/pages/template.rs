//! One template: its fields with their rules, its example, and a form that sends a test and shows the card.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use hongyan_ui::{Card, card, texts};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Address;
use crate::apps::{Template as MessageTemplate, name_of, template};
use crate::console::Console;
use crate::form::{Form, once};
use crate::page::{Frame, Place, Told, html, with_status};
use crate::refusal::Refusal;
use crate::visit::Visit;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/apps/{appid}/templates/{template}", get(show).post(send))
}

texts! {
    struct Words;
    apps = "小程序", "Apps";
    rules = "字段与规则", "Fields and rules";
    field = "字段", "Field";
    rule = "规则", "Rule";
    example = "示例", "Example";
    test = "发送测试", "Send a test";
    test_lead = "卡片随输入变化；微信会拒绝的内容立即指出。", "The card follows what is typed, and what WeChat would refuse is pointed out.";
    to = "发给（openid）", "To (openid)";
    page = "点击后打开的页面", "The page that a tap opens";
    policy = "没有额度时", "Without a permit";
    try_anyway = "仍然请求微信", "ask WeChat all the same";
    require = "立即失败", "fail at once";
    send = "发送", "Send";
    check = "检查", "Check";
    card = "卡片", "Card";
    fits = "可以发送。", "This can be sent.";
}

/// What was typed: the fields' values by name, and the rest.
type Typed = BTreeMap<String, String>;

#[derive(Template)]
#[template(path = "pages/template.html")]
struct TemplatePage {
    frame: Frame,
    words: Words,
    appid: String,
    app: String,
    template: MessageTemplate,
    typed: Typed,
    card: String,
    once: String,
    trouble: Option<Told>,
    fits: bool,
}

impl TemplatePage {
    async fn read(
        visit: &Visit,
        appid: &str,
        id: &str,
        typed: Option<Typed>,
        trouble: Option<&Refusal>,
    ) -> Result<Self, Refusal> {
        let template = template(visit, appid, id).await?.ok_or_else(Refusal::not_found)?;
        let app = name_of(visit, appid).await?;
        let typed = typed.unwrap_or_else(|| {
            template.fields.iter().map(|field| (field.name.clone(), field.example.clone())).collect()
        });
        let wrong = trouble
            .and_then(|refusal| refusal.field.as_deref())
            .and_then(|field| field.strip_prefix("data."));
        let line = |field: &crate::apps::Field| card::Field {
            label: field.label.clone(),
            value: typed.get(&field.name).cloned().unwrap_or_default(),
            complaint: (wrong == Some(field.name.as_str()))
                .then(|| trouble.map(|why| why.detail.clone()).unwrap_or_default()),
        };
        let picture = Card {
            language: visit.language(),
            app: app.clone(),
            title: template.title.clone(),
            time: None,
            emphasis: None,
            fields: template.fields.iter().map(line).collect(),
            page: typed.get("page").filter(|page| !page.is_empty()).cloned(),
        };
        Ok(Self {
            frame: Frame::new(visit, Place::Apps),
            words: Words(visit.language()),
            appid: appid.to_owned(),
            app,
            card: picture.html(),
            once: once(id),
            trouble: trouble.map(|refusal| refusal.told(visit.words)),
            fits: false,
            template,
            typed,
        })
    }

    fn value<'a>(&'a self, name: &str) -> &'a str {
        self.typed.get(name).map_or("", String::as_str)
    }

    fn rule<'a>(&self, field: &'a crate::apps::Field) -> &'a str {
        let rule = self.frame.visit.language().pick(&field.rule_zh, &field.rule);
        rule.as_deref().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct To {
    #[serde(default)]
    to: String,
}

async fn show(
    visit: Visit,
    Path((appid, id)): Path<(String, String)>,
    Query(query): Query<To>,
) -> Result<Response, Refusal> {
    let mut page = TemplatePage::read(&visit, &appid, &id, None, None).await?;
    page.typed.insert("to".to_owned(), query.to);
    Ok(html(&page))
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

/// Sends the message, or with the button that only checks: says what would be refused, and draws the card.
async fn send(
    visit: Visit,
    Path((appid, id)): Path<(String, String)>,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let known = template(&visit, &appid, &id).await?.ok_or_else(Refusal::not_found)?;
    let value = |name: &str| typed.get(name).map_or("", |value| value.trim());
    let data: serde_json::Map<String, Value> =
        known.fields.iter().map(|field| (field.name.clone(), json!(value(&field.name)))).collect();
    let mut body =
        json!({ "app": appid, "to": value("to"), "template": id, "data": data, "permit": value("policy") });
    if !value("page").is_empty() {
        body["page"] = json!(value("page"));
    }
    if value("do") == "check" {
        let checked = visit
            .send::<Value>(Method::POST, &Address::of(&["messages"]).with("validate", Some("true")), &body)
            .await;
        let trouble = checked.err();
        let mut page = TemplatePage::read(&visit, &appid, &id, Some(typed.clone()), trouble.as_ref()).await?;
        page.fits = trouble.is_none();
        return Ok(html(&page));
    }
    match visit.send_once::<Accepted>(&Address::of(&["messages"]), &body, value("once")).await {
        Ok(accepted) => Ok(Redirect::to(&format!("/console/messages/{}", accepted.id)).into_response()),
        Err(refusal) => {
            let page = TemplatePage::read(&visit, &appid, &id, Some(typed.clone()), Some(&refusal)).await?;
            Ok(with_status(refusal.status, &page))
        }
    }
}
