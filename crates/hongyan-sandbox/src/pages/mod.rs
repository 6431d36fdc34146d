//! The pages of the sandbox: the front page, the inbox and the phones side by side, in the look of all pages of Hongyan; and
//! the phone, in the look of WeChat.
//!
//! The server draws every page but the phone. The script only makes the inbox live, so these pages show all they have without
//! the script.

mod frame;
mod front;
mod inbox;
mod opened;
mod phone;
mod phones;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use hongyan_ui::assets;

use self::frame::OWN_STYLE;
use crate::inner::Inner;

/// All pages and what they load.
pub(crate) fn routes() -> Router<Arc<Inner>> {
    let pages = Router::new()
        .route("/", get(front::show))
        .route("/help", get(front::show))
        .route("/inbox", get(inbox::list))
        .route("/inbox/live", get(inbox::live))
        .route("/inbox/delete", post(inbox::delete_all))
        .route("/inbox/{id}", get(opened::show))
        .route("/inbox/{id}/delete", post(inbox::delete))
        .route("/phone", get(phone::show))
        .route("/phone/", get(phone::show))
        .route("/phones", get(phones::show))
        .route("/phones/frame", get(phone::show_in_a_frame))
        .route("/phones/new", post(phones::add_user))
        .merge(assets::routes());
    OWN_STYLE.route(pages)
}
