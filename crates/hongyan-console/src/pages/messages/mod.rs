//! Messages: the list with its search and its export, one message as a timeline, and what can be done about it.

mod act;
mod export;
mod list;
mod message;
mod permit;
mod show;
mod timeline;
mod words;

use axum::Router;
use axum::routing::{get, post};

use crate::console::Console;

/// The script of the list.
pub(super) fn script() -> Router<Console> {
    list::EXPORT.route(Router::new())
}

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/messages", get(list::list))
        .route("/console/messages/export", get(export::export))
        .route("/console/messages/{id}", get(show::show))
        .route("/console/messages/{id}/cancel", post(act::cancel))
        .route("/console/messages/{id}/resolve", post(act::resolve))
        .route("/console/messages/{id}/send", post(act::send_again))
}
