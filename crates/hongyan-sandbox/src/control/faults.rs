//! Deliberate faults; `chaos.rs` describes each kind.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::error::{ControlError, parse};
use crate::chaos::ChaosRule;
use crate::inner::Inner;

/// `POST /_sandbox/chaos`: adds a rule.
pub(super) async fn add(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let rule: ChaosRule = parse(&body)?;
    if let Some(problem) = rule.problem() {
        return Err(ControlError::bad_request(problem));
    }
    let mut state = inner.state();
    if state.chaos.len() >= state.limits.rules {
        let text = "the maximum number of rules is reached; DELETE /_sandbox/chaos removes all rules";
        return Err(ControlError::new(StatusCode::CONFLICT, "too_many_rules", text));
    }
    let id = state.chaos.add(rule);
    Ok(Json(json!({ "id": id })))
}

/// `GET /_sandbox/chaos`: lists the rules in force, and how often each rule has hit.
pub(super) async fn list(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    Json(json!({ "rules": inner.state().chaos.list() }))
}

/// `DELETE /_sandbox/chaos`: removes all rules.
pub(super) async fn clear(Shared(inner): Shared<Arc<Inner>>) -> Json<Value> {
    inner.state().chaos.clear();
    Json(json!({ "cleared": true }))
}

/// `DELETE /_sandbox/chaos/{id}`: removes a rule.
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
