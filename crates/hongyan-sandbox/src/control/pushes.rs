//! `/_sandbox/pushes`: the log of pushes, a test's own pushes, and holding pushes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use hongyan_wechat::{AppId, OpenId};
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::callback::no_callback;
use super::error::{ControlError, parse, parse_query};
use super::look_up::app;
use crate::inner::Inner;
use crate::pusher;
use crate::state::callbacks::{Damage, Message};

/// The largest body of a push in bytes. WeChat's own bodies have a few hundred bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The largest `idle_within_ms`.
const MAX_WAIT_MS: u64 = 60_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PushesQuery {
    appid: Option<AppId>,
    limit: Option<usize>,
    /// Waits until no push is waiting, at most for this time.
    idle_within_ms: Option<u64>,
}

/// `GET /_sandbox/pushes`: lists the newest pushes, in the order in which they were made.
pub(super) async fn list(Shared(inner): Shared<Arc<Inner>>, uri: Uri) -> Result<Json<Value>, ControlError> {
    let asked: PushesQuery = parse_query(&uri)?;
    if let Some(millis) = asked.idle_within_ms {
        wait_for_idle(&inner, Duration::from_millis(millis.min(MAX_WAIT_MS))).await?;
    }
    let mut state = inner.state();
    if let Some(appid) = &asked.appid {
        app(&mut state, appid)?;
    }
    let pushes = state.pushes.newest(asked.appid.as_ref(), asked.limit.unwrap_or(usize::MAX));
    Ok(Json(json!({ "held": state.pushes.is_held(), "waiting": state.pushes.waiting(), "pushes": pushes })))
}

async fn wait_for_idle(inner: &Inner, patience: Duration) -> Result<(), ControlError> {
    let mut signal = inner.signal.subscribe();
    let idle = async {
        // The pushes are marked as seen before the look: a push that ends later wakes the wait below.
        while {
            signal.borrow_and_update();
            inner.state().pushes.waiting() > 0
        } {
            if signal.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(patience, idle).await.map_err(|_| {
        let text = "pushes are still waiting; are they held, or is the callback slow?";
        ControlError::new(StatusCode::REQUEST_TIMEOUT, "pushes_waiting", text)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PushBody {
    appid: AppId,
    /// The user that the URL names beside the body.
    openid: Option<OpenId>,
    /// An object, which is written in the callback's format; or a string, which is pushed unchanged.
    body: Value,
    /// Each kind of damage at most once.
    #[serde(default)]
    damage: BTreeSet<Damage>,
}

/// `POST /_sandbox/pushes`: queues a test's own push behind the waiting pushes.
pub(super) async fn push(
    Shared(inner): Shared<Arc<Inner>>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let PushBody { appid, openid, body, damage } = parse(&body)?;
    if body.to_string().len() > MAX_BODY_BYTES {
        return Err(ControlError::bad_request("body: must have at most 64 KiB"));
    }
    let message = match body {
        Value::Object(map) => Message::Object(map),
        Value::String(text) => Message::Text(text),
        _ => return Err(ControlError::bad_request("body: must be an object or a string")),
    };
    let (id, has_room) = {
        let mut state = inner.state();
        if app(&mut state, &appid)?.callback.is_none() {
            return Err(no_callback(&appid));
        }
        state.push_damaged(&appid, openid, message, damage.into_iter().collect(), inner.clock.now())
    };
    if !has_room {
        let text = "too many pushes of this app are waiting";
        return Err(ControlError::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", text));
    }
    pusher::start(&inner);
    Ok(Json(json!({ "id": id })))
}

/// `POST /_sandbox/pushes/hold`: running pushes continue, new pushes wait.
pub(super) async fn hold(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    let mut state = inner.state();
    state.pushes.hold(true);
    Json(json!({ "held": true, "waiting": state.pushes.waiting() }))
}

/// `POST /_sandbox/pushes/release`: sends the waiting pushes in their order.
pub(super) async fn release(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    let waiting = {
        let mut state = inner.state();
        state.pushes.hold(false);
        state.pushes.waiting()
    };
    pusher::start(&inner);
    Json(json!({ "held": false, "waiting": waiting }))
}
