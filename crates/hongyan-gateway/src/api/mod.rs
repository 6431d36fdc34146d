//! The gateway's own HTTP API: `/v1` for back ends, `/mp` for the mini program itself, health, and the front page.
//!
//! One file per call or family of calls; in each, the shapes of its requests and answers stand above the handlers,
//! and each handler has its OpenAPI block right above it. A path is served and described by the same line of code,
//! so that nothing can be one without the other.

mod apps;
mod batch;
mod events;
mod health;
mod login;
mod messages;
mod mini_program;
mod openapi;
mod page;
mod permits;
mod reach;
mod users;
mod webhooks;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use tower_http::cors::CorsLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::Problem;
use crate::service::Context;

pub use batch::MAX_BATCH;

/// All of the gateway's own paths.
pub fn router(context: Context) -> Router {
    let limit = context.settings.max_body_bytes;
    let (calls, description) = calls().split_for_parts();
    calls
        .merge(openapi::routes(&description))
        .merge(page::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(limit))
        .with_state(context)
}

/// Every call of the API, with its description.
fn calls() -> OpenApiRouter<Context> {
    // A mini program's own requests carry no origin, but its developer tools and web views do.
    let mini_program = OpenApiRouter::new()
        .routes(routes!(mini_program::login))
        .routes(routes!(mini_program::permits))
        .layer(CorsLayer::permissive());
    OpenApiRouter::with_openapi(openapi::head())
        .merge(messages::routes())
        .routes(routes!(permits::grant, permits::list))
        .routes(routes!(reach::reach))
        .routes(routes!(login::login))
        .routes(routes!(users::decrypt))
        .routes(routes!(events::list))
        .merge(apps::routes())
        .merge(webhooks::routes())
        .merge(mini_program)
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
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
