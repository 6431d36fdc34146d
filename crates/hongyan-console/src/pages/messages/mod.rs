//! Messages: the list with its search, one message as a timeline, and what can be done about it.

mod act;
mod list;
mod show;
mod words;

use axum::Router;
use axum::routing::{get, post};
use serde::Deserialize;

pub(super) use act::once;

use crate::Console;
use crate::format::At;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/messages", get(list::list))
        .route("/console/messages/{id}", get(show::show))
        .route("/console/messages/{id}/cancel", post(act::cancel))
        .route("/console/messages/{id}/resolve", post(act::resolve))
        .route("/console/messages/{id}/send", post(act::send_again))
}

/// A message, as the API's list shows it.
#[derive(Debug, Deserialize)]
struct Message {
    id: String,
    app: String,
    to: String,
    template: String,
    channel: String,
    state: String,
    reason: Option<Reason>,
    permit: Option<String>,
    permit_policy: String,
    on_unknown: String,
    reference: Option<String>,
    collapse_key: Option<String>,
    replaced_by: Option<String>,
    accepted_at: At,
    send_at: At,
    deadline: Option<At>,
    next_look_at: Option<At>,
    updated_at: At,
}

/// Why a message is where it is.
#[derive(Debug, Deserialize)]
struct Reason {
    code: String,
    errcode: Option<i64>,
    explanation: String,
    explanation_zh: String,
    help: Option<String>,
}
