//! What WeChat pushed, and what each event did.

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use hongyan_ui::texts;
use serde::Deserialize;
use serde_json::Value;

use crate::api::Address;
use crate::apps::{App, apps, one_app};
use crate::console::Console;
use crate::format::At;
use crate::page::{Frame, Place, html};
use crate::pager::{Pager, moment};
use crate::refusal::Refusal;
use crate::visit::Visit;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/events", get(list))
}

texts! {
    struct Words;
    title = "微信推送", "Events of WeChat's";
    event = "事件", "Event";
    user = "用户", "User";
    effect = "作用", "What it did";
    nothing = "只保存", "only kept";
    open = "待处理", "to be worked on";
    raw = "原文", "As WeChat sent it";
    nothing_then = "这段时间内没有这样的微信推送。", "No such event came in this time.";
    nothing_of(what: String) = "没有找到与“{what}”有关的微信推送。", "No event was found for “{what}”.";
    empty = "没有收到过微信推送。请在小程序的页面查看要在微信后台填写什么。", "No event has come from WeChat. The app's page says what to enter at WeChat.";
}

#[derive(Deserialize)]
struct EventQuery {
    #[serde(default)]
    app: String,
    #[serde(default)]
    openid: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Deserialize)]
struct Events {
    events: Vec<Event>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    app: String,
    openid: Option<String>,
    name: String,
    state: String,
    effects: Vec<Value>,
    received_at: At,
    body: Value,
}

impl Event {
    fn raw(&self) -> String {
        serde_json::to_string_pretty(&self.body).unwrap_or_default()
    }

    /// What it did, in the API's words; a message's id is linked by the page.
    fn effects(&self) -> Vec<(String, Option<String>)> {
        let words = |effect: &Value| {
            let text: Vec<String> = effect
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| *name != "message")
                .map(|(name, value)| {
                    format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                })
                .collect();
            (text.join(", "), effect["message"].as_str().map(str::to_owned))
        };
        self.effects.iter().map(words).collect()
    }
}

#[derive(Template)]
#[template(path = "pages/events.html")]
struct EventsPage {
    frame: Frame,
    words: Words,
    query: EventQuery,
    apps: Vec<App>,
    events: Vec<Event>,
    pager: Pager,
}

impl EventsPage {
    /// What the filters ask for.
    fn sought(&self) -> String {
        let parts = [self.query.openid.trim(), self.query.name.trim()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// What the page says if no event fits.
    fn nothing(&self) -> String {
        if !self.query.since.is_empty() || !self.query.until.is_empty() {
            return self.words.nothing_then().to_owned();
        }
        match self.sought() {
            sought if sought.is_empty() => self.words.empty().to_owned(),
            sought => self.words.nothing_of(sought),
        }
    }
}

async fn list(visit: Visit, Query(mut query): Query<EventQuery>) -> Result<Response, Refusal> {
    let apps = apps(&visit).await?;
    query.app = one_app(&apps, &query.app);
    let answer = if query.app.is_empty() {
        Events { events: Vec::new(), next_cursor: None }
    } else {
        let address = Address::of(&["events"])
            .with("app", Some(&query.app))
            .with("openid", Some(query.openid.trim()))
            .with("name", Some(query.name.trim()))
            .with("since", moment(&query.since))
            .with("until", moment(&query.until))
            .with("cursor", Some(&query.cursor));
        visit.get(&address).await?
    };
    Ok(html(&EventsPage {
        frame: Frame::live(&visit, Place::Events),
        words: Words(visit.language()),
        apps,
        events: answer.events,
        pager: Pager::new(&visit, answer.next_cursor),
        query,
    }))
}
