//! `/livez`, `/readyz`, `/metrics`.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use hongyan_store::types::Backlog;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::Refusals;
use crate::context::Context;
use crate::report::{AppNow, Disk, Now, last_backup};

/// Whether the process runs.
///
/// Always answers 200; checks nothing else.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "live",
    tag = "health",
    responses((status = 200, description = "The process runs.", body = String, content_type = "text/plain"), Refusals),
)]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// What readiness depends on. WeChat and single apps do not count: if they fail, taking the gateway out of service would only
/// make it worse.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    /// The gateway can take requests.
    ready: bool,
    /// `ok` or `failing`.
    store: &'static str,
    /// The process is about to end.
    stopping: bool,
}

/// Whether the database answers and the process is not stopping.
///
/// WeChat being down, or one app's secret being wrong, does not make the gateway unready.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "health",
    responses(
        (status = 200, description = "Ready.", body = Readiness),
        (status = 503, description = "Not ready; the body says why.", body = Readiness),
        Refusals,
    ),
)]
pub(super) async fn ready(State(context): State<Context>) -> impl IntoResponse {
    let stopping = context.stop.is_announced();
    let store = if context.health.is_store_well().await { "ok" } else { "failing" };
    let ready = store == "ok" && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(Readiness { ready, store, stopping }))
}

/// Metrics in Prometheus' text form.
///
/// Labels are bounded and never hold an openid.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "health",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain"), Refusals),
)]
pub(super) async fn metrics(State(context): State<Context>) -> ([(HeaderName, &'static str); 1], String) {
    let now = context.clock.now();
    let apps = context.apps.list();
    // Only one node reports what concerns all lanes, so that a sum over the nodes is right.
    let (backlog, open) = if context.intake.owned.is_first() {
        tokio::join!(context.health.webhook_backlog(), context.health.open_messages())
    } else {
        (Backlog::default(), None)
    };
    let database = context.settings.sqlite_path().ok();
    let text = context.report.render(&Now {
        in_flight: context.slots.taken(),
        at: now,
        apps: apps
            .iter()
            .map(|app| AppNow {
                appid: app.record.appid.clone(),
                paused: app.pause_in_force(now).map(|pause| pause.code),
                token_expires: app.token.expires_in(now),
            })
            .collect(),
        open,
        disk: database.as_deref().and_then(Disk::of),
        last_backup: database.as_deref().and_then(last_backup),
        template_changes: context.apps.template_changes().into(),
        pending: backlog.pending,
        oldest_pending: backlog.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)),
        verbs_per_commit: context.store.verbs_per_commit().unwrap_or_default(),
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
