//! What goes into the store and what comes out: plain values in the domain's words.

mod apps;
mod messages;
mod permits;
mod prune;

pub use apps::{
    AppPaused, AppRecord, GatewayTokenRecord, KeyRecord, LoginRecord, PauseOrder, Sealed, SessionRecord,
    TemplateRecord, TokenRecord,
};
pub use messages::{
    Accepted, AttemptView, Cancelled, ClaimBatch, Claimed, ClaimedPermit, Ended, Idempotency, MessageDetail,
    MessageFilter, MessageView, NewMessage, Settled, Settlement,
};
pub use permits::{Granted, NewPermit, PermitView, Reach};
pub use prune::{PruneCursor, PruneOrder, Pruned};
