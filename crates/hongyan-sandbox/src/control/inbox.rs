//! `GET /_sandbox/inbox`: what the users saw.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId};
use http::Uri;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::error::{ControlError, parse_query};
use super::look_up::unknown_user;
use crate::inner::Inner;
use crate::state::State;
use crate::state::inbox::{Card, Filter};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InboxQuery {
    appid: Option<AppId>,
    openid: Option<OpenId>,
    /// The id of a card: those after it. Or a time: those sent then and later.
    since: Option<String>,
    limit: Option<usize>,
    /// Seconds: until there are `count` cards, or so long.
    wait: Option<u64>,
    count: Option<usize>,
}

/// Nobody waits longer.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Cards, oldest first: of one user, of one app, or all. With `wait` as soon as there are enough, or when the time is up.
pub(super) async fn list(
    Shared(inner): Shared<Arc<Inner>>,
    uri: Uri,
) -> Result<Json<Vec<Arc<Card>>>, ControlError> {
    let asked: InboxQuery = parse_query(&uri)?;
    let since = asked.since.as_deref().map(Since::parse).transpose()?.unwrap_or(Since::Card(0));
    let limit = asked.limit.unwrap_or(usize::MAX);
    let filter = filter(&inner.state(), asked.appid, asked.openid)?;
    let patience = Duration::from_secs(asked.wait.unwrap_or(0)).min(MAX_WAIT);
    let enough = asked.count.unwrap_or(1).min(limit);
    let mut signal = inner.signal.subscribe();
    let until = Instant::now() + patience;
    loop {
        // Marked as seen before looking: what is delivered after the look ends the wait below.
        signal.borrow_and_update();
        let cards = read(&inner.state(), &filter, &since, limit);
        if patience.is_zero() || cards.len() >= enough {
            return Ok(Json(cards));
        }
        tokio::select! {
            changed = timeout_at(until, signal.changed()) => {
                if !matches!(changed, Ok(Ok(()))) {
                    return Ok(Json(cards));
                }
            }
            () = inner.stopped() => return Ok(Json(cards)),
        }
    }
}

fn read(state: &State, filter: &Filter, since: &Since, limit: usize) -> Vec<Arc<Card>> {
    match *since {
        Since::Card(id) => state.inbox.after(filter, id, limit),
        Since::Moment(moment) => {
            let mut cards = state.inbox.after(filter, 0, usize::MAX);
            // The clock can be set back, so the cards are not in the order of their times.
            cards.retain(|card| card.sent_at >= moment);
            cards.truncate(limit);
            cards
        }
    }
}

/// From where on cards are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// After this card.
    Card(u64),
    /// Sent at this time or later.
    Moment(UnixMillis),
}

impl Since {
    fn parse(text: &str) -> Result<Self, ControlError> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Card(id));
        }
        UnixMillis::parse_rfc3339(text).map(Self::Moment).map_err(|_| {
            ControlError::bad_request("since: the id of a card, or a time as 2026-05-01T01:30:00Z")
        })
    }
}

/// The filter for what is named, if it exists: an empty answer should mean that nothing came, not that the name was
/// misspelt.
pub(super) fn filter(
    state: &State,
    appid: Option<AppId>,
    openid: Option<OpenId>,
) -> Result<Filter, ControlError> {
    if let Some(appid) = &appid {
        let app = state
            .apps
            .get(appid)
            .ok_or_else(|| ControlError::unknown("unknown_app", format!("there is no app {appid}")))?;
        if let Some(openid) = &openid
            && !app.users.contains_key(openid)
        {
            return Err(unknown_user(appid, openid));
        }
    }
    Ok(Filter { appid, openid })
}
