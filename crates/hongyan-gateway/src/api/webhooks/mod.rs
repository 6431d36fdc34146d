//! `/v1/webhooks`: the URLs that receive events.
//!
//! | file | has |
//! | --- | --- |
//! | `request.rs` | the input that several calls share: a webhook's id, its URL, its filter |
//! | `answer.rs` | the JSON of a webhook |
//! | `set_up.rs`, `change.rs` | setting up, listing and showing webhooks; changing and removing them |
//! | `deliveries.rs`, `replay.rs` | the deliveries to a webhook; sending events again, and a test |

mod answer;
mod change;
pub(super) mod deliveries;
mod replay;
pub(crate) mod request;
mod set_up;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::context::Context;

/// All calls.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(set_up::create, set_up::list))
        .routes(routes!(set_up::show, change::change, change::remove))
        .routes(routes!(change::rotate))
        .routes(routes!(change::enable))
        .routes(routes!(replay::replay))
        .routes(routes!(replay::test))
        .routes(routes!(deliveries::deliveries))
}
