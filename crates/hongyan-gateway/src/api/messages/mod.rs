//! `/v1/messages`: one file per call, and one file for each part that calls share.

mod because;
mod cancel;
mod id;
mod list;
mod reason;
mod resolve;
mod send;
mod show;
mod timeline;
mod validate;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::context::Context;

/// All calls.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(send::send, list::list))
        .routes(routes!(show::show, cancel::cancel))
        .routes(routes!(timeline::timeline))
        .routes(routes!(resolve::resolve))
}
