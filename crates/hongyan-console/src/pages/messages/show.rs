//! One message: why it is where it is, what happened to it, and the card that its user saw or would see.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use hongyan_ledger::MessageId;
use hongyan_ui::card::Field;
use hongyan_ui::{Card, Language};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::message::{Message, Reason};
use super::permit::Permit;
use super::timeline::Timeline;
use super::words::Words;
use crate::api::Address;
use crate::apps::{self, Template as MessageTemplate};
use crate::form::once;
use crate::format::colour_of;
use crate::page::{Frame, Place, html};
use crate::refusal::Refusal;
use crate::visit::Visit;

/// A message with everything.
#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    pub(super) message: Message,
    pub(super) page: Option<String>,
    pub(super) data: BTreeMap<String, Value>,
    pub(super) emphasis_keyword: Option<String>,
    pub(super) lang: Option<String>,
    pub(super) miniprogram_state: Option<String>,
    request_id: Option<String>,
    trace_id: Option<String>,
    /// Counted, so that a verdict names the last one.
    attempts: Vec<IgnoredAny>,
}

/// What was just done, as the address says.
#[derive(Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
    /// The message that was sent again as this one.
    of: Option<String>,
}

#[derive(Template)]
#[template(path = "pages/messages/show.html")]
struct ShowPage {
    frame: Frame,
    words: Words,
    detail: Detail,
    /// `None`: the store had no time to read it.
    timeline: Option<Timeline>,
    /// The permits that the attempts used.
    permits: Vec<Permit>,
    /// The message that was sent again as this one.
    again: Option<MessageId>,
    title: String,
    app: String,
    card: String,
    /// A name for the next message, so that a form that is sent twice sends one.
    once: String,
}

impl ShowPage {
    fn message(&self) -> &Message {
        &self.detail.message
    }

    fn permit(&self, id: &str) -> Option<&Permit> {
        self.permits.iter().find(|permit| permit.id == id)
    }

    fn explanation<'a>(&self, reason: &'a Reason) -> &'a str {
        self.frame.visit.language().pick(&reason.explanation_zh, &reason.explanation)
    }

    /// How the box with the reason looks.
    fn mood(&self) -> &'static str {
        match self.colour() {
            "ok" => "ok",
            "bad" => "",
            _ => "wait",
        }
    }

    fn colour(&self) -> &'static str {
        colour_of(&self.message().state)
    }

    fn is(&self, states: &[&str]) -> bool {
        states.contains(&self.message().state.as_str())
    }

    fn may_cancel(&self) -> bool {
        self.frame.visit.is_operator() && self.is(&["scheduled", "ready", "waiting"])
    }

    fn may_resolve(&self) -> bool {
        self.frame.visit.is_operator() && self.is(&["unknown"])
    }

    /// A message that has ended without its user having it can be sent once more.
    fn may_send_again(&self) -> bool {
        self.frame.visit.is_operator() && self.is(&["failed", "refused", "expired", "cancelled"])
    }

    /// Whether the user saw the card.
    fn was_seen(&self) -> bool {
        self.is(&["sent", "delivered"])
    }
}

/// `GET /console/messages/{id}`.
pub(super) async fn show(
    visit: Visit,
    Path(id): Path<String>,
    Query(query): Query<Done>,
) -> Result<Response, Refusal> {
    let detail: Detail = visit.get(&Address::of(&["messages", &id])).await?;
    let timeline = Timeline::read(&visit, &id).await?;
    let used: Vec<&str> = timeline.iter().flat_map(Timeline::permits).collect();
    let permits = Permit::read(&visit, &detail.message.app, &detail.message.to, &used).await?;
    let words = Words(visit.language());
    let template = apps::template(&visit, &detail.message.app, &detail.message.template).await?;
    let app = apps::name_of(&visit, &detail.message.app).await?;
    let done = match query.done.as_str() {
        "cancelled" => Some(words.cancelled()),
        "resolved" => Some(words.resolved()),
        "sent" => Some(words.sent_again()),
        _ => None,
    };
    Ok(html(&ShowPage {
        frame: Frame::live(&visit, Place::Messages).done(done),
        words,
        title: template.as_ref().map_or_else(|| detail.message.template.clone(), |known| known.title.clone()),
        card: card(visit.language(), &app, &detail, template.as_ref()).html(),
        app,
        once: once(&id),
        again: query.of.and_then(|id| id.parse().ok()),
        detail,
        permits,
        timeline,
    }))
}

/// The card of a message.
fn card(language: Language, app: &str, detail: &Detail, template: Option<&MessageTemplate>) -> Card {
    let value_of = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Object(of) => of.get("value").and_then(Value::as_str).unwrap_or_default().to_owned(),
        other => other.to_string(),
    };
    let label_of = |name: &str| {
        let field = template.and_then(|known| known.fields.iter().find(|field| field.name == name));
        field.map_or_else(|| name.to_owned(), |field| field.label.clone())
    };
    let field = |name: &str| {
        let value = detail.data.get(name).map(value_of)?;
        Some(Field { label: label_of(name), value, complaint: None })
    };
    let emphasized = detail.emphasis_keyword.as_deref().and_then(|name| name.strip_suffix(".DATA"));
    // In the template's order, and without a template in that of the names.
    let names: Vec<&str> = match template {
        Some(known) => known.fields.iter().map(|field| field.name.as_str()).collect(),
        None => detail.data.keys().map(String::as_str).collect(),
    };
    Card {
        language,
        app: app.to_owned(),
        title: template.map_or_else(|| detail.message.template.clone(), |known| known.title.clone()),
        time: None,
        emphasis: emphasized.and_then(field),
        fields: names.into_iter().filter(|name| Some(*name) != emphasized).filter_map(field).collect(),
        page: detail.page.clone(),
    }
}
