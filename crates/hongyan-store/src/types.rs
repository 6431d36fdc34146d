//! What goes into the store and what comes out: plain values in the domain's words.

mod apps;
mod messages;
mod permits;
mod prune;
mod resolve;
mod webhooks;

pub(crate) use apps::gate;
pub use apps::{
    AppPaused, AppRecord, GatewayTokenRecord, KeyRecord, LoginRecord, PauseOrder, ProbeCursor, Probing,
    Sealed, SessionRecord, TemplateRecord, TokenRecord,
};
pub use messages::{
    Accepted, Acquired, AttemptView, Cancelled, ClaimBatch, Claimed, ClaimedPermit, Ended, Epoch,
    Idempotency, MessageDetail, MessageFilter, MessageView, NewMessage, Settled, Settlement,
};
pub use permits::{Granted, NewPermit, PermitView, Reach};
pub use prune::{PruneCursor, PruneOrder, Pruned};
pub use resolve::{ResolutionView, ResolveOrder, Resolved};
pub use webhooks::{
    Backlog, Delivery, DeliveryOutcome, DeliveryReport, DeliveryState, DeliveryView, ExpiringOrder,
    ExpiringStep, Feed, MAX_COUNTED, MAX_REPLAY, MAX_WEBHOOKS, ReplayOrder, Replayed, Tried, WebhookAnswer,
    WebhookChange, WebhookRecord, WebhookStanding, WebhookStart,
};
