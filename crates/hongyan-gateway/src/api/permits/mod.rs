//! `/v1/permits`: reports, checks, grants and lists rights to send.

mod check;
mod grant;
mod granted;
mod list;
mod request;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::context::Context;

pub(super) use check::checked;
pub(super) use granted::{GrantAnswer, grant_all};
pub(super) use request::GrantRequest;

/// All calls.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(grant::grant, list::list))
}
