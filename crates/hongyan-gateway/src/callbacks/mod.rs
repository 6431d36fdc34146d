//! Callbacks: the events that WeChat pushes to `/callback/{appid}`.
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
//! | `refusals` | why a request is refused: for the log and a metric, never for the sender |
//! | `content` | how to recognize a repeated event |
//! | `work` | processes the received events, in order |
//! | `silence` | resolves a message that WeChat sends no event about |
//!
//! `hongyan_wechat::callback` parses events, `hongyan_ledger::{acceptance, delivery}` decides what they do, and the store
//! does it.

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

/// The path that WeChat pushes an app's events to, under the gateway's public URL.
pub(crate) fn path_of(appid: &AppId) -> String {
    format!("/callback/{appid}")
}

/// The callback paths. They need no API key: WeChat's signature authenticates a request.
pub fn router(context: Context) -> Router {
    Router::new()
        .route("/callback/{appid}", get(receive::check_address).post(receive::push))
        .method_not_allowed_fallback(receive::wrong_method)
        .with_state(context)
}
