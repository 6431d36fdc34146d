//! `GET /_sandbox/events`: new cards as server-sent events.
//!
//! Events: `clock` (at the start and whenever the time is moved), `message` (a card, in the form of the inbox; its id is
//! the event's id), `deleted` (cards were deleted: read the inbox again) and `reset`. An interrupted stream continues where
//! it was: the browser sends `Last-Event-ID`.
//!
//! A stream waits on a counter and reads the cards from the inbox. So a slow reader loses nothing, and nothing piles up.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use hongyan_wechat::{AppId, OpenId};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::error::{ControlError, parse_query};
use super::inbox::filter;
use crate::inner::{Inner, Signal};
use crate::state::inbox::Filter;

/// How many cards are read from the inbox at once.
const CHUNK: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    appid: Option<AppId>,
    openid: Option<OpenId>,
    /// The id of the last known card; without an id only new cards are sent.
    since: Option<u64>,
}

/// A reader of a stream.
struct Watching {
    inner: Arc<Inner>,
    filter: Filter,
    /// The last card that was sent or that the reader knew.
    last_id: u64,
    /// The counters at the last event for this reader.
    told: Signal,
    signal: watch::Receiver<Signal>,
    /// Events that are ready to be sent.
    queue: VecDeque<Event>,
}

/// Streams the cards of one user, of one app, or all cards, from now on.
pub(super) async fn stream(
    Shared(inner): Shared<Arc<Inner>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ControlError> {
    let asked: EventsQuery = parse_query(&uri)?;
    let last_seen = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|t| t.parse().ok());
    let signal = inner.signal.subscribe();
    let (filter, newest) = {
        let state = inner.state();
        (filter(&state, asked.appid, asked.openid)?, state.inbox.last_id())
    };
    let told = *signal.borrow();
    let mut watching = Watching {
        last_id: last_seen.or(asked.since).unwrap_or(newest),
        inner,
        filter,
        told,
        signal,
        queue: VecDeque::new(),
    };
    watching.tell_time();
    let events = unfold(watching, async |mut watching| Some((Ok(watching.next().await?), watching)));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Watching {
    /// The next event; `None` when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            // The counters are marked as seen before the read: a later change wakes the wait below.
            let now = *self.signal.borrow_and_update();
            if now.resets != self.told.resets {
                self.queue.push_back(Event::default().event("reset").data("{}"));
            }
            if now.deletions != self.told.deletions {
                self.queue.push_back(Event::default().event("deleted").data("{}"));
            }
            if now.clock != self.told.clock {
                self.tell_time();
            }
            self.told = now;
            self.read_cards();
            if self.queue.is_empty() {
                tokio::select! {
                    changed = self.signal.changed() => changed.ok()?,
                    () = self.inner.stopped() => return None,
                }
            }
        }
    }

    fn tell_time(&mut self) {
        let data = json!({ "now": self.inner.clock.now() }).to_string();
        self.queue.push_back(Event::default().event("clock").data(data));
    }

    fn read_cards(&mut self) {
        let cards = self.inner.state().inbox.after(&self.filter, self.last_id, CHUNK);
        for card in cards {
            self.last_id = card.id;
            let data = serde_json::to_string(&*card).expect("a card is plain data");
            self.queue.push_back(Event::default().event("message").id(card.id.to_string()).data(data));
        }
    }
}
