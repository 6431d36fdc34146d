//! `/_sandbox/state`: the whole memory as a document, to be kept and put back.

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

/// A larger document is not taken: that of half a million cards has about this size.
pub(super) const MAX_STATE_BYTES: usize = 512 * 1024 * 1024;

/// `GET /_sandbox/state`: everything that outlives a restart, in the form of the state file.
pub(super) async fn get(Shared(inner): Shared<Arc<Inner>>) -> Response {
    let bytes = persist::to_bytes(&inner.state());
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

/// `PUT /_sandbox/state`: becomes what the document says. The time stays; faults and logs are gone.
pub(super) async fn put(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let loaded = persist::from_bytes(&body).map_err(|why| match why {
        NotAState::Version { .. } => {
            ControlError::new(StatusCode::CONFLICT, "state_version", why.to_string())
        }
        NotAState::Format(_) => ControlError::new(StatusCode::BAD_REQUEST, "state_format", why.to_string()),
    })?;
    inner.state().become_loaded(loaded);
    // Pages that watch the inbox begin anew.
    inner.signal.send_modify(|signal| signal.resets += 1);
    Ok(Json(json!({ "loaded": true, "apps": inner.state().apps.len() })))
}
