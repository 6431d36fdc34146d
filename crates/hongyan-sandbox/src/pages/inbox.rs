//! The inbox: the cards of all users and apps, newest first, live.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Redirect, Response};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::frame::{Frame, link};
use crate::control::complaints_about;
use crate::inner::Inner;
use crate::state::inbox::{Card, CardKind, Filter};

/// The cards of one page.
const PAGE: usize = 50;
/// Cards that are read under the lock at once. A search looks at many cards, and sends must not wait for the search.
const CHUNK: usize = 1_000;
/// Apps and users that the form offers.
const OFFERED: usize = 100;
/// A reader is told of news this often. So a load test does not keep a page busy.
const TICK: Duration = Duration::from_millis(100);

/// What the reader looks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct InboxQuery {
    q: String,
    appid: String,
    openid: String,
    kind: String,
    /// Only cards with an id less than this.
    before: Option<u64>,
}

impl InboxQuery {
    fn is_filtered(&self) -> bool {
        !(self.q.trim().is_empty() && self.appid.is_empty() && self.openid.is_empty() && self.kind.is_empty())
    }

    /// The filter; `None` if nothing can match, because a name is not even possible.
    fn filter(&self) -> Option<Filter> {
        let kind = match self.kind.as_str() {
            "" => None,
            "legacy" => Some(CardKind::Legacy),
            "subscribe" => Some(CardKind::Subscribe),
            _ => return None,
        };
        let appid = (!self.appid.is_empty()).then(|| self.appid.trim().parse()).transpose().ok()?;
        let openid = (!self.openid.is_empty()).then(|| self.openid.trim().parse()).transpose().ok()?;
        Some(Filter { appid, openid, kind })
    }

    fn link(&self, path: &str, before: Option<u64>) -> String {
        let before = before.map(|id| id.to_string()).unwrap_or_default();
        let Self { q, appid, openid, kind, .. } = self;
        link(path, &[("q", q), ("appid", appid), ("openid", openid), ("kind", kind), ("before", &before)])
    }

    fn from(&self, before: Option<u64>) -> String {
        self.link("/inbox", before)
    }

    fn of_app(&self, appid: &str) -> String {
        Self { appid: appid.to_owned(), openid: String::new(), ..self.clone() }.from(None)
    }

    fn of_user(&self, appid: &str, openid: &str) -> String {
        Self { appid: appid.to_owned(), openid: openid.to_owned(), ..self.clone() }.from(None)
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // askama passes references
    fn delete_one(&self, id: &u64) -> String {
        self.link(&format!("/inbox/{id}/delete"), self.before)
    }

    fn delete_all(&self) -> String {
        self.link("/inbox/delete", None)
    }
}

/// Words that must all be found in a card.
struct Words(Vec<String>);

impl Words {
    fn of(text: &str) -> Self {
        Self(text.split_whitespace().map(str::to_lowercase).collect())
    }

    fn match_card(&self, card: &Card) -> bool {
        self.0.iter().all(|word| {
            let msgid = card.msgid.0.to_string();
            let names =
                [&*card.title, card.openid.as_str(), card.appid.as_str(), card.template_id.as_str(), &msgid];
            names.iter().any(|text| contains(text, word))
                || card.page.as_deref().is_some_and(|page| contains(page, word))
                || card
                    .fields
                    .iter()
                    .any(|field| contains(&field.value, word) || contains(&field.label, word))
        })
    }
}

/// Whether a text contains a word in lower case.
fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() {
        // The ordinary case needs no copy of the text.
        text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    } else {
        text.to_lowercase().contains(word)
    }
}

/// A line of the list.
struct Row {
    card: Arc<Card>,
    /// How much the real WeChat would refuse or ignore in the request.
    complaints: usize,
}

impl Row {
    fn is_legacy(&self) -> bool {
        self.card.kind == CardKind::Legacy
    }
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    frame: Frame,
    query: InboxQuery,
    apps: Vec<String>,
    users: BTreeSet<String>,
    rows: Vec<Row>,
    /// The page with older cards.
    older: Option<String>,
    /// The number of all cards.
    total: usize,
}

/// `GET /inbox`.
pub(super) async fn list(
    Shared(inner): Shared<Arc<Inner>>,
    address: Uri,
    headers: HeaderMap,
    Query(query): Query<InboxQuery>,
) -> Response {
    let mut cards = find(&inner, &query, PAGE + 1).await;
    let has_more = cards.len() > PAGE;
    cards.truncate(PAGE);
    let last = cards.last().filter(|_| has_more);
    let older = last.map(|card| query.from(Some(card.id)));
    let page = {
        let state = inner.state();
        let mut apps: Vec<_> = state.apps.keys().take(OFFERED).map(ToString::to_string).collect();
        if !query.appid.is_empty() && !apps.contains(&query.appid) {
            apps.push(query.appid.clone());
        }
        let newest = state.inbox.before(&Filter::default(), u64::MAX, OFFERED);
        InboxPage {
            frame: Frame::new("/inbox", &address, &headers).live("/inbox/live"),
            apps,
            users: newest.iter().map(|card| card.openid.to_string()).collect(),
            rows: cards
                .into_iter()
                .map(|card| Row { complaints: complaints_about(&state, card.id).len(), card })
                .collect(),
            older,
            total: state.inbox.len(),
            query,
        }
    };
    page.frame.answer(StatusCode::OK, &page)
}

/// The newest cards that match.
async fn find(inner: &Inner, query: &InboxQuery, limit: usize) -> Vec<Arc<Card>> {
    let Some(filter) = query.filter() else { return Vec::new() };
    let words = Words::of(&query.q);
    let mut found = Vec::new();
    let mut before = query.before.unwrap_or(u64::MAX);
    loop {
        let chunk = inner.state().inbox.before(&filter, before, CHUNK);
        let Some(last) = chunk.last() else { return found };
        before = last.id;
        for card in chunk {
            if filter.matches(&card) && words.match_card(&card) {
                found.push(card);
                if found.len() == limit {
                    return found;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// `GET /inbox/live`: a tick at the start and after each change of the inbox. A page that gets a tick reads itself again.
pub(super) async fn live(
    Shared(inner): Shared<Arc<Inner>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let signal = inner.signal.subscribe();
    // The first tick covers what happened between the page and this stream.
    let ticks = unfold((inner, signal, None), async |(inner, mut signal, told)| {
        let news = loop {
            let now = *signal.borrow_and_update();
            let news = (now.messages, now.deletions, now.resets);
            if told.is_none_or(|(known, _)| known != news) {
                break news;
            }
            tokio::select! {
                changed = signal.changed() => changed.ok()?,
                () = inner.stopped() => return None,
            }
        };
        if let Some((_, at)) = told {
            sleep_until(at + TICK).await;
        }
        // A browser drops an event without data.
        Some((Ok(Event::default().event("tick").data("{}")), (inner, signal, Some((news, Instant::now())))))
    });
    Sse::new(ticks).keep_alive(KeepAlive::default())
}

/// `POST /inbox/{id}/delete`, from the list or from the page of the card.
pub(super) async fn delete(
    Shared(inner): Shared<Arc<Inner>>,
    Path(id): Path<String>,
    Query(query): Query<InboxQuery>,
) -> Response {
    // A card that is gone already is as it was wanted.
    let _ = id.parse().is_ok_and(|id| inner.delete_card(id));
    Redirect::to(&query.from(query.before)).into_response()
}

/// `POST /inbox/delete`: all cards that match.
pub(super) async fn delete_all(
    Shared(inner): Shared<Arc<Inner>>,
    Query(query): Query<InboxQuery>,
) -> Response {
    if let Some(filter) = query.filter() {
        let words = Words::of(&query.q);
        inner.delete_cards(|card| filter.matches(card) && words.match_card(card));
    }
    Redirect::to("/inbox").into_response()
}
