//! Webhooks: who is told what, what became of it, and trying once more.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hongyan_ledger::webhook::EventType;
use hongyan_ui::texts;
use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::api::Address;
use crate::apps::{App, apps};
use crate::console::Console;
use crate::form::{Form, Nothing};
use crate::format::At;
use crate::page::{Frame, Place, Told, html, with_status};
use crate::pager::{Pager, moment};
use crate::refusal::Refusal;
use crate::visit::Visit;

const PATH: &str = "/console/webhooks";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route(PATH, get(list).post(set_up))
        .route("/console/webhooks/{id}", get(show))
        .route("/console/webhooks/{id}/test", post(test))
        .route("/console/webhooks/{id}/enable", post(enable))
        .route("/console/webhooks/{id}/replay", post(replay))
        .route("/console/webhooks/{id}/rotate", post(rotate))
        .route("/console/webhooks/{id}/remove", post(remove))
}

texts! {
    struct Words;
    title = "Webhook", "Webhooks";
    url = "地址", "Address";
    description = "说明", "Description";
    types = "事件类型", "Types of events";
    apps = "小程序", "Apps";
    all_types = "全部", "all";
    pending = "待送达", "Pending";
    last_answer = "最近的回答", "Last answer";
    no_answer = "没有回答", "no answer";
    enabled = "启用", "enabled";
    disabled = "停用", "disabled";
    failing = "正在失败", "failing";
    rests = "休息至", "rests until";
    empty = "还没有 webhook。设置之后，发生的事情会推送到您的后端。", "There is no webhook yet. With one, your back end is told of what happens.";
    set_up = "添加 webhook", "Set up a webhook";
    all_if_none = "不选则为全部。", "None chosen: all.";
    no_app_named = "不选则为全部小程序。", "None chosen: all apps.";
    secret = "签名密钥", "The secret that signs the events";
    deliveries = "投递", "Deliveries";
    no_deliveries = "还没有投递过。", "Nothing has been delivered yet.";
    event = "事件", "Event";
    tries = "次数", "Tries";
    next_try = "下次", "Next try";
    delivered = "已送达", "delivered";
    waiting = "待重试", "to be tried";
    failed = "已放弃", "given up";
    once_more = "重新投递", "Replay";
    replay_since = "重新投递这一时间（UTC+8）以后的全部事件", "Replay all events since (UTC+8)";
    test = "发送测试事件", "Send a test event";
    tested = "测试事件已发出，结果很快出现在下面。", "A test event is on its way. What became of it will stand below.";
    enable = "启用", "Enable";
    is_enabled = "已启用，积压的事件会依次送达。", "It is enabled. What was kept is delivered in order.";
    replayed = "事件将重新投递。", "The events are delivered once more.";
    rotate = "更换签名密钥", "Rotate the secret";
    rotate_sure = "旧密钥在一段时间内仍然同时签名。确定更换吗？", "The old secret signs beside the new one for a while. Rotate it?";
    remove = "删除", "Remove";
    remove_sure = "确定删除这个 webhook 吗？未送达的事件不会再送达。", "Remove this webhook? What it has not taken is not delivered any more.";
    is_removed = "webhook 已删除。", "The webhook is removed.";
}

#[derive(Deserialize)]
struct Webhooks {
    webhooks: Vec<Webhook>,
}

#[derive(Deserialize)]
struct Webhook {
    id: String,
    url: String,
    description: String,
    types: Vec<String>,
    apps: Vec<String>,
    state: String,
    disabled_reason: Option<String>,
    failing_since: Option<At>,
    rests_until: Option<At>,
    pending: u64,
    oldest_pending_at: Option<At>,
    last_answer: Option<Answer>,
}

impl Webhook {
    fn is_enabled(&self) -> bool {
        self.state == "enabled"
    }
}

#[derive(Deserialize)]
struct Answer {
    at: At,
    status: Option<u16>,
    #[serde(default)]
    text: String,
}

impl Answer {
    fn is_good(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

#[derive(Template)]
#[template(path = "pages/webhooks.html")]
struct ListPage {
    frame: Frame,
    words: Words,
    webhooks: Vec<Webhook>,
    apps: Vec<App>,
    secret: Option<String>,
    trouble: Option<Told>,
}

impl ListPage {
    async fn read(visit: &Visit) -> Result<Self, Refusal> {
        let webhooks: Webhooks = visit.get(&Address::of(&["webhooks"])).await?;
        Ok(Self {
            frame: Frame::live(visit, Place::Webhooks),
            words: Words(visit.language()),
            webhooks: webhooks.webhooks,
            apps: apps(visit).await?,
            secret: None,
            trouble: None,
        })
    }

    fn types(&self) -> Vec<&'static str> {
        EventType::ALL.map(EventType::name).to_vec()
    }
}

#[derive(Deserialize)]
struct DoneQuery {
    #[serde(default)]
    done: String,
    #[serde(default)]
    cursor: String,
}

async fn list(visit: Visit, Query(query): Query<DoneQuery>) -> Result<Response, Refusal> {
    let mut page = ListPage::read(&visit).await?;
    let done = (query.done == "removed").then(|| page.words.is_removed());
    page.frame = page.frame.done(done);
    Ok(html(&page))
}

#[derive(Deserialize)]
struct SetUp {
    url: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    apps: Vec<String>,
}

#[derive(Deserialize)]
struct Secret {
    secret: String,
}

/// The secret stands in the answer itself: it is in no address, and a second look at the page does not have it.
async fn set_up(visit: Visit, Form(form): Form<SetUp>) -> Result<Response, Refusal> {
    let mut body = json!({ "url": form.url.trim(), "types": form.types, "apps": form.apps });
    if !form.description.trim().is_empty() {
        body["description"] = json!(form.description.trim());
    }
    let made = visit.send::<Secret>(Method::POST, &Address::of(&["webhooks"]), &body).await;
    let mut page = ListPage::read(&visit).await?;
    match made {
        Ok(made) => {
            page.secret = Some(made.secret);
            Ok(html(&page))
        }
        Err(refusal) => {
            page.trouble = Some(refusal.told(visit.words));
            Ok(with_status(refusal.status, &page))
        }
    }
}

#[derive(Deserialize)]
struct Deliveries {
    deliveries: Vec<Delivery>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    event: String,
    #[serde(rename = "type")]
    kind: String,
    timestamp: At,
    state: String,
    attempts: u32,
    last_answer: Option<Answer>,
    next_try_at: Option<At>,
}

impl Delivery {
    fn mark(&self, words: Words) -> (&'static str, &'static str) {
        match self.state.as_str() {
            "taken" => ("ok", words.delivered()),
            "given_up" => ("bad", words.failed()),
            _ => ("wait", words.waiting()),
        }
    }
}

#[derive(Template)]
#[template(path = "pages/webhook.html")]
struct ShowPage {
    frame: Frame,
    words: Words,
    webhook: Webhook,
    deliveries: Vec<Delivery>,
    pager: Pager,
    secret: Option<String>,
}

async fn page_of(visit: &Visit, id: &str, cursor: &str, secret: Option<String>) -> Result<ShowPage, Refusal> {
    let webhook: Webhook = visit.get(&Address::of(&["webhooks", id])).await?;
    let deliveries = Address::of(&["webhooks", id, "deliveries"]).with("cursor", Some(cursor));
    let deliveries: Deliveries = visit.get(&deliveries).await?;
    Ok(ShowPage {
        frame: Frame::live(visit, Place::Webhooks),
        words: Words(visit.language()),
        webhook,
        deliveries: deliveries.deliveries,
        pager: Pager::new(visit, deliveries.next_cursor),
        secret,
    })
}

async fn show(
    visit: Visit,
    Path(id): Path<String>,
    Query(query): Query<DoneQuery>,
) -> Result<Response, Refusal> {
    let mut page = page_of(&visit, &id, &query.cursor, None).await?;
    let done = match query.done.as_str() {
        "tested" => Some(page.words.tested()),
        "enabled" => Some(page.words.is_enabled()),
        "replayed" => Some(page.words.replayed()),
        _ => None,
    };
    page.frame = page.frame.done(done);
    Ok(html(&page))
}

fn back(id: &str, done: &str) -> Response {
    let address = Address::of(&["webhooks", id]);
    Redirect::to(&format!("/console{}?done={done}", address.behind_v1())).into_response()
}

async fn test(visit: Visit, Path(id): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::POST, &Address::of(&["webhooks", &id, "test"])).await?;
    Ok(back(&id, "tested"))
}

async fn enable(visit: Visit, Path(id): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::POST, &Address::of(&["webhooks", &id, "enable"])).await?;
    Ok(back(&id, "enabled"))
}

#[derive(Deserialize)]
struct Replay {
    #[serde(default)]
    event: String,
    #[serde(default)]
    since: String,
}

async fn replay(visit: Visit, Path(id): Path<String>, Form(form): Form<Replay>) -> Result<Response, Refusal> {
    let body = match moment(&form.since) {
        Some(since) => json!({ "since": since }),
        None => json!({ "event": form.event }),
    };
    visit.send::<IgnoredAny>(Method::POST, &Address::of(&["webhooks", &id, "replay"]), &body).await?;
    Ok(back(&id, "replayed"))
}

async fn rotate(visit: Visit, Path(id): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    let made: Secret = visit.ask(Method::POST, &Address::of(&["webhooks", &id, "secret"])).await?;
    Ok(html(&page_of(&visit, &id, "", Some(made.secret)).await?))
}

async fn remove(visit: Visit, Path(id): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::DELETE, &Address::of(&["webhooks", &id])).await?;
    Ok(Redirect::to("/console/webhooks?done=removed").into_response())
}
