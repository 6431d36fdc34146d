//! The gateway's own HTTP API: `/v1` for back ends, `/mp` for the mini program itself and health.
//!
//! There is one file per call or family of calls. The types of requests and answers stand above the handlers, and each
//! handler has its OpenAPI block right above it. The same line of code serves a path and describes it, so a path cannot be
//! served without being described.

mod apps;
mod audit;
mod backlog;
mod batch;
mod bounded;
mod caller;
mod events;
pub(crate) mod guard;
mod health;
mod inside;
mod keys;
mod listing;
mod login;
mod messages;
mod mini_program;
mod nodes;
pub(crate) mod openapi;
mod people;
mod permits;
mod quotas;
mod reach;
mod stats;
mod user_list;
mod users;
pub(crate) mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use serde_json::Value;
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

/// The largest body that a mini program may send; twenty permits fit easily.
const MAX_MINI_PROGRAM_BODY: usize = 16 * 1024;

/// All of the gateway's own paths.
pub fn router(context: Context) -> Router {
    let has_admin = context.settings.admin_listen.is_some();
    let description = calls().into_openapi();
    let (health, _) = health().split_for_parts();
    let (mini_program, _) = mini_program().split_for_parts();
    // The mini program's paths have their own fallback, so that the CORS layer answers a preflight before the path refuses
    // its method.
    let mini_program = mini_program
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_MINI_PROGRAM_BODY))
        .layer(cross_origin());
    guarded(&context, &description)
        // If health has its own listener, this listener does not serve it.
        .merge(if has_admin { health_is_elsewhere() } else { health })
        .merge(openapi::routes(&description))
        .merge(crate::pages::routes())
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

/// The calls of back ends and operators, behind the guard.
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
        // By name, because a star does not cover `Authorization`.
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(7_200))
}

/// The routes of the listener for health and metrics.
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

/// The OpenAPI description of all calls, as `/openapi.json` has it.
pub fn description() -> Value {
    openapi::finished(&calls().into_openapi())
}

/// The calls of a mini program itself.
fn mini_program() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(mini_program::login)).routes(routes!(mini_program::permits))
}

/// The calls of back ends and operators.
fn back_end() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .merge(messages::routes())
        .merge(permits::routes())
        .routes(routes!(reach::reach))
        .routes(routes!(reach::parts))
        .routes(routes!(reach::kinds))
        .routes(routes!(backlog::show))
        .routes(routes!(stats::show))
        .routes(routes!(quotas::show))
        .routes(routes!(login::login))
        .routes(routes!(users::decrypt))
        .routes(routes!(user_list::list))
        .routes(routes!(nodes::list))
        .routes(routes!(people::list, people::add))
        .routes(routes!(people::change, people::remove))
        .routes(routes!(people::reset_password))
        .routes(routes!(events::list))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(audit::list))
        .merge(apps::routes())
        .merge(webhooks::routes())
}

/// The health paths on a listener that does not serve health: 404, which every probe takes for a failure.
fn health_is_elsewhere() -> Router<Context> {
    ["/livez", "/readyz", "/metrics"]
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, axum::routing::any(no_such_path)))
}

/// A path that nobody serves. If it may be WeChat's, the answer has WeChat's form, which the caller can read.
async fn nothing_here(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    crate::facade::elsewhere(&uri).unwrap_or_else(|| crate::pages::missing(&method, &uri, &headers))
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        axum::http::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not support {method}", uri.path()),
    )
}
