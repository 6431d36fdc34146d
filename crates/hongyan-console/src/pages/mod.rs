//! One room for each page.

mod account;
mod apps;
mod audit;
mod events;
mod factor;
mod keys;
mod live;
mod login;
mod messages;
mod nodes;
mod overview;
mod overview_apps;
mod people;
mod reach;
mod stats;
mod template;
mod users;
mod webhooks;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};

use crate::admit::admit;
use crate::console::Console;
use crate::refusal::Refusal;

/// The largest body of a form. [`crate::form`] has its own, smaller bound.
const MAX_BODY_BYTES: usize = 128 * 1024;

/// All pages.
pub(crate) fn router(console: Console) -> Router {
    Router::new()
        .merge(messages::routes())
        .merge(overview::routes())
        .merge(users::routes())
        .merge(reach::routes())
        .merge(stats::routes())
        .merge(apps::routes())
        .merge(template::routes())
        .merge(events::routes())
        .merge(webhooks::routes())
        .merge(nodes::routes())
        .merge(keys::routes())
        .merge(people::routes())
        .merge(audit::routes())
        .merge(account::routes())
        .merge(factor::routes())
        .route("/console/live", get(live::ticks))
        .route("/console/logout", post(login::log_out))
        .route("/console/{*path}", get(async || Refusal::not_found().into_response()))
        .layer(from_fn_with_state(console.clone(), admit))
        .merge(login::routes())
        .merge(messages::script())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(console)
}
