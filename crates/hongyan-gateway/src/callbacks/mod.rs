//! Events in: what WeChat pushes to `/callback/{appid}`.
//!
//! ```text
//! WeChat ─▶ receive ─▶ store ─▶ work ─▶ store: permits, messages
//!              │                  │
//!              ▼                  ▼
//!           refusals           report, schedule
//! ```
//!
//! | module | knows |
//! | --- | --- |
//! | `receive` | the two requests: WeChat's check of the address, and a push; answers when the event is durable |
//! | `refusals` | why a request is not taken: told to the log and to a metric, never to the sender |
//! | `content` | what makes two events the same |
//! | `work` | takes what was received, in order, and lets the store do what it asks for |
//! | `silence` | what it means that no event came |
//!
//! What an event says is read in `hongyan_wechat::callback`; what that does is decided in
//! `hongyan_ledger::{acceptance, delivery}`, and done in the store.

mod content;
mod receive;
pub(crate) mod refusals;
mod silence;
mod work;

use axum::Router;
use axum::routing::get;
use hongyan_wechat::AppId;

use crate::context::Context;

pub use silence::SilenceWatch;
pub use work::EventWorker;

/// Where WeChat pushes an app's events to, behind the gateway's public address.
pub(crate) fn path_of(appid: &AppId) -> String {
    format!("/callback/{appid}")
}

/// WeChat's paths, without API keys: the signature is what lets in.
pub fn router(context: Context) -> Router {
    Router::new()
        .route("/callback/{appid}", get(receive::check_address).post(receive::push))
        .method_not_allowed_fallback(receive::wrong_method)
        .with_state(context)
}
