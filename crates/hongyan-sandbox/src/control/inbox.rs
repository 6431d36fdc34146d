//! `/_sandbox/inbox`: the cards that the users saw.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Shared};
use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId};
use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::error::{ControlError, parse_query};
use super::look_up::unknown_user;
use crate::complaints::{self, Complaint};
use crate::inner::Inner;
use crate::state::State;
use crate::state::inbox::{Card, Filter};
use crate::state::sent::SentRequest;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InboxQuery {
    appid: Option<AppId>,
    openid: Option<OpenId>,
    /// The id of a card: return later cards. Or a time: return cards sent at this time or later.
    since: Option<String>,
    limit: Option<usize>,
    /// The seconds to wait until there are `count` cards.
    wait: Option<f64>,
    count: Option<usize>,
}

/// The longest wait.
const MAX_WAIT: Duration = Duration::from_secs(60);

fn patience(wait: Option<f64>) -> Result<Duration, ControlError> {
    Duration::try_from_secs_f64(wait.unwrap_or_default())
        .ok()
        .filter(|patience| *patience <= MAX_WAIT)
        .ok_or_else(|| ControlError::bad_request(format!("wait: seconds from 0 to {}", MAX_WAIT.as_secs())))
}

/// Returns cards, oldest first: of one user, of one app, or all. With `wait`, returns when there are enough cards or when
/// the time is up.
pub(super) async fn list(
    Shared(inner): Shared<Arc<Inner>>,
    uri: Uri,
) -> Result<Json<Vec<Arc<Card>>>, ControlError> {
    let asked: InboxQuery = parse_query(&uri)?;
    let since = asked.since.as_deref().map(Since::parse).transpose()?.unwrap_or(Since::Card(0));
    let limit = asked.limit.unwrap_or(usize::MAX);
    let filter = filter(&inner.state(), asked.appid, asked.openid)?;
    let patience = patience(asked.wait)?;
    let count = asked.count.unwrap_or(1);
    if count == 0 {
        return Err(ControlError::bad_request("count: 1 or more"));
    }
    let enough = count.min(limit);
    let mut signal = inner.signal.subscribe();
    let until = Instant::now() + patience;
    loop {
        // The inbox is marked as seen before the look: a later delivery ends the wait below.
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
            // The clock can be set back, so cards are not always in the order of their times.
            cards.retain(|card| card.sent_at >= moment);
            cards.truncate(limit);
            cards
        }
    }
}

/// The first card to return.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Cards after this card.
    Card(u64),
    /// Cards sent at this time or later.
    Moment(UnixMillis),
}

impl Since {
    fn parse(text: &str) -> Result<Self, ControlError> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Card(id));
        }
        UnixMillis::parse_rfc3339(text).map(Self::Moment).map_err(|_| {
            ControlError::bad_request("since: must be the id of a card, or a time like 2026-05-01T01:30:00Z")
        })
    }
}

/// The filter for the named app and user, which must exist: an empty answer must mean that no card came, not that a name
/// was misspelt.
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
    Ok(Filter { appid, openid, kind: None })
}

/// A card with the request that sent it, and with what WeChat would have minded about the request.
#[derive(Serialize)]
pub(crate) struct Opened {
    #[serde(flatten)]
    pub(crate) card: Arc<Card>,
    /// `null` if the request is not kept any more.
    pub(crate) request: Option<SentRequest>,
    pub(crate) complaints: Vec<Complaint>,
}

impl Opened {
    /// The card with this id, if the inbox has it.
    pub(crate) fn find(state: &State, id: u64) -> Option<Self> {
        let card = Arc::clone(state.inbox.get(id)?);
        let request = state.requests.of_card(id).map(SentRequest::of);
        Some(Self { card, request, complaints: complaints_about(state, id) })
    }
}

/// What the real WeChat would refuse or ignore in the request that sent a card, while the log has the request.
pub(crate) fn complaints_about(state: &State, card: u64) -> Vec<Complaint> {
    let Some(request) = state.requests.of_card(card) else { return Vec::new() };
    let app = request.appid.as_ref().and_then(|appid| state.apps.get(appid));
    complaints::of(request, |id| app?.template(id).cloned())
}

fn unknown_card(id: &str) -> ControlError {
    ControlError::unknown("unknown_card", format!("the inbox has no card {id}"))
}

/// `GET /_sandbox/inbox/{id}`: one card, with the request that sent it.
pub(super) async fn show(
    Shared(inner): Shared<Arc<Inner>>,
    Path(id): Path<String>,
) -> Result<Json<Opened>, ControlError> {
    let opened = id.parse().ok().and_then(|id| Opened::find(&inner.state(), id));
    opened.map(Json).ok_or_else(|| unknown_card(&id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    appid: Option<AppId>,
    openid: Option<OpenId>,
}

/// `DELETE /_sandbox/inbox`: deletes the cards of one user, of one app, or all.
pub(super) async fn delete_all(
    Shared(inner): Shared<Arc<Inner>>,
    uri: Uri,
) -> Result<Json<Value>, ControlError> {
    let asked: DeleteQuery = parse_query(&uri)?;
    let filter = filter(&inner.state(), asked.appid, asked.openid)?;
    Ok(Json(json!({ "deleted": inner.delete_cards(|card| filter.matches(card)) })))
}

/// `DELETE /_sandbox/inbox/{id}`: deletes one card.
pub(super) async fn delete(
    Shared(inner): Shared<Arc<Inner>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ControlError> {
    if id.parse().is_ok_and(|id| inner.delete_card(id)) {
        Ok(Json(json!({ "deleted": 1 })))
    } else {
        Err(unknown_card(&id))
    }
}
