//! `/v1/webhooks`: who is told of events.
//!
//! | file | has |
//! | --- | --- |
//! | `request.rs` | what several calls take: a webhook's id, its URL, what it wants to hear of |
//! | `answer.rs` | how a webhook is shown |
//! | `set_up.rs`, `change.rs` | setting up, listing and showing webhooks; changing and removing one |
//! | `deliveries.rs`, `replay.rs` | what became of its events; sending events again, and a test |

mod answer;
mod change;
mod deliveries;
mod replay;
mod request;
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
