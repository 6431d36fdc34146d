//! The clock, which a test can move.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use hongyan_clock::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ControlError, parse};
use crate::inner::Inner;

/// The largest step, forwards or backwards: a hundred years. Larger steps would overflow.
const MAX_STEP_SECONDS: i64 = 100 * 366 * 86_400;

/// `GET /_sandbox/clock`.
pub(super) async fn now(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    Json(json!({ "now": inner.clock.now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetClock {
    advance_seconds: Option<i64>,
    set: Option<UnixMillis>,
}

/// `POST /_sandbox/clock`: `{"advance_seconds":N}` or `{"set":"2026-05-01T09:30:00+08:00"}`.
pub(super) async fn set(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let asked: SetClock = parse(&body)?;
    let now = match (asked.advance_seconds, asked.set) {
        (Some(seconds), None) if seconds.abs() <= MAX_STEP_SECONDS => inner.clock.advance(seconds * 1000),
        (Some(_), None) => {
            return Err(ControlError::bad_request("advance_seconds: must be at most a hundred years"));
        }
        (None, Some(moment)) => inner.clock.set(moment),
        _ => return Err(ControlError::bad_request("send either advance_seconds or set")),
    };
    inner.signal.send_modify(|signal| signal.clock += 1);
    Ok(Json(json!({ "now": now })))
}
