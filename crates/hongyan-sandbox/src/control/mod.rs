//! `/_sandbox/…`: controls the simulated world: the actions of users, the cards that they saw, time, and faults.

mod callback;
mod calls;
mod clock;
mod encrypted;
mod error;
mod events;
mod faults;
mod inbox;
#[cfg(test)]
mod inbox_tests;
#[cfg(test)]
mod limit_tests;
mod look_up;
mod memory;
mod openapi;
#[cfg(test)]
pub(crate) mod openapi_check;
mod overview;
mod pages;
#[cfg(test)]
mod push_tests;
mod pushes;
#[cfg(test)]
mod tests;
mod users;
mod world;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post};
use http::StatusCode;

pub use self::calls::calls_in_chinese;
pub(crate) use self::calls::{CALLS, Call};
pub(crate) use self::error::ControlError;
pub(crate) use self::inbox::{Opened, complaints_about};
pub(crate) use self::look_up::unknown_app;
pub use self::openapi::description;
use crate::inner::Inner;

type Methods = fn() -> MethodRouter<Arc<Inner>>;

/// Every path of this module with its methods. [`CALLS`] describes each of them.
const ROUTES: &[(&str, Methods)] = &[
    ("/seed", || get(world::seed)),
    ("/config", || get(world::config)),
    ("/apps", || post(world::add_app)),
    ("/templates", || post(world::add_template)),
    ("/pages", || get(pages::show).post(pages::set).delete(pages::forget)),
    ("/quotas", || post(world::set_quota)),
    ("/tokens/rotate", || post(world::rotate_tokens)),
    ("/reset", || post(world::reset)),
    ("/users", || post(users::add)),
    ("/login", || post(users::login)),
    ("/encrypted", || post(encrypted::encrypt)),
    ("/forms", || post(users::submit_form)),
    ("/payments", || post(users::pay)),
    ("/subscriptions", || post(users::answer_subscription)),
    ("/settings", || post(users::change_setting)),
    ("/callback", || get(callback::show).post(callback::set).delete(callback::remove)),
    ("/pushes", || get(pushes::list).post(pushes::push)),
    ("/pushes/hold", || post(pushes::hold)),
    ("/pushes/release", || post(pushes::release)),
    ("/inbox", || get(inbox::list).delete(inbox::delete_all)),
    ("/inbox/{id}", || get(inbox::show).delete(inbox::delete)),
    ("/events", || get(events::stream)),
    ("/requests", || get(overview::requests)),
    ("/overview", || get(overview::overview)),
    ("/state", || get(memory::get).put(memory::put).layer(DefaultBodyLimit::max(memory::MAX_STATE_BYTES))),
    ("/clock", || get(clock::now).post(clock::set)),
    ("/chaos", || get(faults::list).post(faults::add).delete(faults::clear)),
    ("/chaos/{id}", || delete(faults::remove)),
    ("/openapi.json", || get(openapi::show)),
];

/// Everything under `/_sandbox`.
pub(crate) fn routes() -> Router<Arc<Inner>> {
    let routes = ROUTES.iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods()));
    routes
        // A nested router sees the rest of the path only.
        .fallback(async |uri: http::Uri| no_such_path(&format!("/_sandbox{}", uri.path())))
        .method_not_allowed_fallback(async || {
            let text = "this call needs another method; see the list at /";
            ControlError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
        })
}

/// The answer to a path that neither WeChat nor the sandbox has.
pub(crate) fn no_such_path(path: &str) -> Response {
    ControlError::unknown("no_such_path", format!("there is no path {path}; see the list at /"))
        .into_response()
}
