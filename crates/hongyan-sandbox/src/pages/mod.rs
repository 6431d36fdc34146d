//! The pages of the sandbox, in the look of all pages of Hongyan: the front page, the inbox, the phones side by side.
//!
//! The server draws every page. The script only makes the inbox live, so every page shows all it has without the script.

mod frame;
mod front;
mod inbox;
mod opened;
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
        .route("/phones", get(phones::show))
        .route("/phones/new", post(phones::add_user))
        .merge(assets::routes());
    OWN_STYLE.route(pages)
}
