//! The gateway's own HTTP API: `/v1` for back ends, `/mp` for the mini program itself, health, and the front page.
//!
//! One file per call or family of calls; in each, the shapes of its requests and answers stand above the handlers,
//! and each handler has its OpenAPI block right above it. A path is served and described by the same line of code,
//! so that nothing can be one without the other.

mod apps;
mod audit;
mod batch;
mod bounded;
mod caller;
mod events;
mod guard;
mod health;
mod inside;
mod keys;
mod listing;
mod login;
mod messages;
mod mini_program;
mod openapi;
mod page;
mod permits;
mod reach;
mod users;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri, header};
use axum::response::{IntoResponse, Response};
use tower::layer::layer_fn;
use tower_http::cors::CorsLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::context::Context;
use crate::problem::Problem;
use guard::{Guard, Guarded};

pub use batch::MAX_BATCH;
pub use inside::InsideApi;

/// The largest body that a mini program may send: twenty permits and room to spare.
const MAX_MINI_PROGRAM_BODY: usize = 16 * 1024;

/// All of the gateway's own paths.
pub fn router(context: Context) -> Router {
    let has_admin = context.settings.admin_listen.is_some();
    let description = calls().into_openapi();
    let (health, _) = health().split_for_parts();
    let (mini_program, _) = mini_program().split_for_parts();
    // What a mini program calls has its own fallback: a preflight is answered by the layer, and not refused as a method
    // that the path does not take.
    let mini_program = mini_program
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_MINI_PROGRAM_BODY))
        .layer(cross_origin());
    guarded(&context, &description)
        // With a listener of its own, health is at that one only.
        .merge(if has_admin { health_is_elsewhere() } else { health })
        .merge(openapi::routes(&description))
        .merge(page::routes())
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .merge(mini_program)
        .with_state(context)
}

/// `/v1` for a caller in this process.
pub fn inside(context: Context) -> InsideApi {
    let router = guarded(&context, &calls().into_openapi())
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method);
    InsideApi::new(router.with_state(context))
}

/// What back ends and operators call, behind the guard.
fn guarded(context: &Context, description: &OpenApi) -> Router<Context> {
    let guard = Guard::new(context.clone(), description);
    let (calls, _) = back_end().split_for_parts();
    calls.layer(layer_fn(move |inner| Guarded::new(Arc::clone(&guard), inner)))
}

/// A mini program's own requests carry no origin, but its developer tools and web views do.
fn cross_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(tower_http::cors::Any)
        .allow_methods([Method::POST])
        // By name: a star does not stand for `Authorization`.
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(7_200))
}

/// What the listener for health and metrics answers.
pub fn admin_router(context: Context) -> Router {
    let (calls, _) = health().split_for_parts();
    calls.fallback(no_such_path).method_not_allowed_fallback(wrong_method).with_state(context)
}

/// Health and metrics.
fn health() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

/// Every call of the API, with its description.
fn calls() -> OpenApiRouter<Context> {
    OpenApiRouter::with_openapi(openapi::head()).merge(back_end()).merge(mini_program()).merge(health())
}

/// What a mini program itself calls.
fn mini_program() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(mini_program::login)).routes(routes!(mini_program::permits))
}

/// What back ends and operators call.
fn back_end() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .merge(messages::routes())
        .merge(permits::routes())
        .routes(routes!(reach::reach))
        .routes(routes!(login::login))
        .routes(routes!(users::decrypt))
        .routes(routes!(events::list))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(audit::list))
        .merge(apps::routes())
        .merge(webhooks::routes())
}

/// The paths of health, where there is none: a status that no probe takes for good.
fn health_is_elsewhere() -> Router<Context> {
    ["/livez", "/readyz", "/metrics"]
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, axum::routing::any(no_such_path)))
}

/// What is none of ours may be one of WeChat's, and whoever asks for it reads WeChat's form.
async fn nothing_here(uri: Uri) -> Response {
    match crate::facade::elsewhere(&uri) {
        Some(answer) => answer,
        None => no_such_path(uri).await.into_response(),
    }
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
