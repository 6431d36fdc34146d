//! Faults on purpose; `chaos.rs` says what each kind does.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::error::{ControlError, parse};
use crate::chaos::ChaosRule;
use crate::inner::Inner;

/// `POST /_sandbox/chaos`: one more rule.
pub(super) async fn add(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let rule: ChaosRule = parse(&body)?;
    if let Some(problem) = rule.problem() {
        return Err(ControlError::bad_request(problem));
    }
    let mut state = inner.state();
    if state.chaos.len() >= state.limits.rules {
        let text = "there are as many rules as there may be; DELETE /_sandbox/chaos clears them";
        return Err(ControlError::new(StatusCode::CONFLICT, "too_many_rules", text));
    }
    let id = state.chaos.add(rule);
    Ok(Json(json!({ "id": id })))
}

/// `GET /_sandbox/chaos`: the rules in force, and how often each has hit.
pub(super) async fn list(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    Json(json!({ "rules": inner.state().chaos.list() }))
}

/// `DELETE /_sandbox/chaos`: no more faults.
pub(super) async fn clear(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    inner.state().chaos.clear();
    Json(json!({ "cleared": true }))
}

/// `DELETE /_sandbox/chaos/{id}`: one rule less.
pub(super) async fn remove(
    Shared(inner): Shared<Arc<Inner>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ControlError> {
    let removed = id.parse().is_ok_and(|id| inner.state().chaos.remove(id));
    if removed {
        Ok(Json(json!({ "cleared": true })))
    } else {
        Err(ControlError::unknown("unknown_rule", format!("there is no rule {id}")))
    }
}
