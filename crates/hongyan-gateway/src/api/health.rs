//! `/livez`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::service::Context;

/// The process runs.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// What readiness depends on. WeChat and single apps are not among it: their trouble is theirs, and taking the
/// gateway out of service would only add to it.
#[derive(Serialize)]
pub(super) struct Readiness {
    ready: bool,
    store: &'static str,
    stopping: bool,
}

/// The store answers, durably, and the process is not stopping.
pub(super) async fn ready(State(context): State<Context>) -> impl IntoResponse {
    let stopping = context.stop.is_stopping();
    let store = match context.store.ping().await {
        Ok(()) => "ok",
        Err(error) => {
            tracing::warn!(%error, "not ready: the store does not answer");
            "failing"
        }
    };
    let ready = store == "ok" && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(Readiness { ready, store, stopping }))
}

/// Prometheus' text form.
pub(super) async fn metrics(State(context): State<Context>) -> ([(HeaderName, &'static str); 1], String) {
    let text = context.report.render(context.slots.taken());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
