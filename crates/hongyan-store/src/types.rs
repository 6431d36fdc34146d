//! What goes into the store and what comes out: plain values in the domain's words.

mod apps;
mod messages;
mod permits;

pub(crate) use apps::gate;
pub use apps::{
    AppPaused, AppRecord, GatewayTokenRecord, KeyRecord, LoginRecord, PauseOrder, ProbeCursor, Probing,
    Sealed, SessionRecord, TemplateRecord, TokenRecord,
};
pub use messages::{
    Accepted, AttemptView, Cancelled, ClaimBatch, Claimed, ClaimedPermit, Ended, Idempotency, MessageDetail,
    MessageFilter, MessageView, NewMessage, Settled, Settlement,
};
pub use permits::{Granted, NewPermit, PermitView, Reach};
