//! `/_sandbox/state`: saves and restores the whole state as a document.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::error::ControlError;
use crate::inner::Inner;
use crate::persist::{self, NotAState};

/// The largest accepted document: about the size of half a million cards.
pub(super) const MAX_STATE_BYTES: usize = 512 * 1024 * 1024;

/// `GET /_sandbox/state`: returns everything that survives a restart, in the form of the state file.
pub(super) async fn get(Shared(inner): Shared<Arc<Inner>>) -> Response {
    let bytes = persist::to_bytes(&inner.state());
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

/// `PUT /_sandbox/state`: replaces the state with the document. The time stays; faults and logs are deleted.
pub(super) async fn put(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let loaded = persist::from_bytes(&body).map_err(|why| match why {
        NotAState::Version { .. } => {
            ControlError::new(StatusCode::CONFLICT, "state_version", why.to_string())
        }
        NotAState::Format(_) => ControlError::new(StatusCode::BAD_REQUEST, "state_format", why.to_string()),
    })?;
    inner.state().become_loaded(loaded);
    // Pages that watch the inbox start again.
    inner.signal.send_modify(|signal| signal.resets += 1);
    Ok(Json(json!({ "loaded": true, "apps": inner.state().apps.len() })))
}
