//! The list of messages, and its search.

use askama::Template;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use hongyan_ledger::{MessageId, MessageState, ReasonCode};
use hongyan_ui::assets::Asset;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::message::Message;
use super::words::Words;
use crate::api::Address;
use crate::apps::{self, App, apps};
use crate::page::{Frame, Place, html};
use crate::pager::{Pager, moment, with};
use crate::refusal::Refusal;
use crate::visit::Visit;

/// What is asked for, as the form sends it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    /// The one search box.
    q: String,
    app: String,
    to: String,
    state: String,
    template: String,
    reference: String,
    reason: String,
    since: String,
    until: String,
    pub(super) cursor: String,
}

#[derive(Deserialize)]
struct Answer {
    messages: Vec<Message>,
    next_cursor: Option<String>,
}

/// Downloads a list with a count of what has come. Without it, a link to a list is a download without a count.
pub(super) const EXPORT: Asset =
    Asset::new("export", "js", "text/javascript; charset=utf-8", include_str!("export.js"));

#[derive(Template)]
#[template(path = "pages/messages/list.html")]
struct ListPage {
    frame: Frame,
    words: Words,
    query: ListQuery,
    apps: Vec<App>,
    messages: Vec<Message>,
    pager: Pager,
    /// Where the messages of this list can be had as files, without the format.
    export: String,
    /// The search found nothing.
    in_vain: Option<String>,
}

impl ListPage {
    fn export_script(&self) -> String {
        EXPORT.path()
    }

    fn states(&self) -> [&'static str; 11] {
        MessageState::ALL.map(MessageState::name)
    }

    fn reasons(&self) -> Vec<&'static str> {
        ReasonCode::ALL.map(ReasonCode::name).to_vec()
    }

    fn title_of<'a>(&'a self, message: &'a Message) -> &'a str {
        apps::title(&self.apps, &message.app, &message.template)
    }
}

/// `GET /console/messages`.
pub(super) async fn list(visit: Visit, Query(mut query): Query<ListQuery>) -> Result<Response, Refusal> {
    let apps = apps(&visit).await?;
    let sought = query.q.trim().to_owned();
    let mut in_vain = None;
    if !sought.is_empty() {
        match find(&visit, &apps, &sought, &query).await? {
            Some(found) => return Ok(Redirect::to(&found).into_response()),
            None => in_vain = Some(sought),
        }
    }
    let answer = match &in_vain {
        Some(_) => Answer { messages: Vec::new(), next_cursor: None },
        None => read(&visit, &query).await?,
    };
    query.q.clone_from(in_vain.as_ref().unwrap_or(&String::new()));
    Ok(html(&ListPage {
        frame: Frame::live(&visit, Place::Messages),
        words: Words(visit.language()),
        apps,
        messages: answer.messages,
        pager: Pager::new(&visit, answer.next_cursor),
        export: export(&visit),
        query,
        in_vain,
    }))
}

/// The address of the export of what a page lists, up to the name of the format.
fn export(visit: &Visit) -> String {
    let filters = with("", visit.uri.query().unwrap_or_default(), "cursor", None);
    let filters = with("", filters.trim_start_matches('?'), "q", None);
    format!("/console/messages/export{filters}{}format=", if filters.is_empty() { '?' } else { '&' })
}

impl ListQuery {
    /// Whether anything but the app of all messages is asked for.
    fn is_filtered(&self) -> bool {
        let Self { app, to, state, template, reference, reason, since, until, cursor, .. } = self;
        let asked = [app, to, state, template, reference, reason, since, until, cursor];
        asked.iter().any(|text| !text.is_empty())
    }

    /// The list of the messages that are asked for, from its beginning.
    pub(super) fn address(&self) -> Address {
        Address::of(&["messages"])
            .with("app", Some(&self.app))
            .with("to", Some(&self.to))
            .with("state", Some(&self.state))
            .with("template", Some(&self.template))
            .with("reference", Some(&self.reference))
            .with("reason", Some(&self.reason))
            .with("since", moment(&self.since))
            .with("until", moment(&self.until))
    }
}

async fn read(visit: &Visit, query: &ListQuery) -> Result<Answer, Refusal> {
    visit.get(&query.address().with("cursor", Some(&query.cursor))).await
}

/// Where the one search box leads: to the message of this id, to those with this reference, of this user, or by this
/// template, whichever there is. `None`: there is none.
async fn find(
    visit: &Visit,
    known: &[App],
    sought: &str,
    query: &ListQuery,
) -> Result<Option<String>, Refusal> {
    if sought.parse::<MessageId>().is_ok() {
        let found: Option<IgnoredAny> = visit.get_if_there(&Address::of(&["messages", sought])).await?;
        return Ok(found.map(|_| format!("/console/messages/{sought}")));
    }
    let asked: Vec<&str> = match query.app.as_str() {
        "" => known.iter().map(|app| app.appid.as_str()).collect(),
        app => vec![app],
    };
    let is_template = known.iter().any(|app| app.title_of(sought).is_some());
    for name in ["reference", "to", "template"] {
        for app in &asked {
            let address = Address::of(&["messages"]).with("app", Some(app)).with(name, Some(sought));
            match visit.get::<Answer>(&address.with("limit", Some("1"))).await {
                // A template is not looked up: the API looks through a stretch of messages, and there may be further stretches.
                Ok(answer)
                    if answer.messages.is_empty()
                        && (answer.next_cursor.is_none() || (name == "template" && !is_template)) => {}
                Ok(_) => {
                    let found = url::form_urlencoded::Serializer::new(String::new())
                        .append_pair("app", app)
                        .append_pair(name, sought)
                        .finish();
                    return Ok(Some(format!("/console/messages?{found}")));
                }
                // What is sought is no reference, openid or template by its form.
                Err(refusal) if refusal.status.as_u16() == 422 || refusal.status.as_u16() == 400 => {}
                Err(refusal) => return Err(refusal),
            }
        }
    }
    Ok(None)
}
