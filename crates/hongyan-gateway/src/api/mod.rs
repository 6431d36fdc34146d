//! The gateway's own HTTP API: `/v1` for back ends, `/mp` for the mini program itself, and health.
//!
//! One file per family of calls; in each, the shapes of its requests and answers stand above the handlers.

mod apps;
mod batch;
mod health;
mod login;
mod messages;
mod mini_program;
mod permits;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use tower_http::cors::CorsLayer;

use crate::problem::Problem;
use crate::service::Context;

pub use batch::MAX_BATCH;

/// All of the gateway's own paths.
pub fn router(context: Context) -> Router {
    let limit = context.settings.max_body_bytes;
    // A mini program's own requests carry no origin, but its developer tools and web views do.
    let mini_program = Router::new()
        .route("/mp/{appid}/login", post(mini_program::login))
        .route("/mp/{appid}/permits", post(mini_program::permits))
        .layer(CorsLayer::permissive());
    Router::new()
        .route("/v1/messages", post(messages::send).get(messages::list))
        .route("/v1/messages/{id}", get(messages::show).delete(messages::cancel))
        .route("/v1/permits", post(permits::grant).get(permits::list))
        .route("/v1/reach", get(permits::reach))
        .route("/v1/login", post(login::login))
        .route("/v1/apps", post(apps::register).get(apps::list))
        .route("/v1/apps/{appid}", get(apps::show).patch(apps::change).delete(apps::remove))
        .route("/v1/apps/{appid}/pause", post(apps::pause))
        .route("/v1/apps/{appid}/resume", post(apps::resume))
        .route("/v1/apps/{appid}/templates", get(apps::templates))
        .route("/v1/apps/{appid}/templates/sync", post(apps::sync_templates))
        .merge(mini_program)
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(limit))
        .with_state(context)
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        axum::http::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}", uri.path()),
    )
}
