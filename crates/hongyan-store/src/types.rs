//! What goes into the store and what comes out: plain values in the domain's words.

mod apps;
mod audit;
mod callers;
mod events;
mod feed;
mod figures;
mod messages;
mod nodes;
mod origins;
mod pages;
mod people;
mod permits;
mod prune;
mod resolve;
mod sealed;
mod story;
mod tallies;
mod users;
mod webhooks;

pub(crate) use apps::gate;
pub use apps::{
    AppChange, AppChanged, AppPaused, AppRecord, AppSettings, CallbackRecord, CallbackStatus,
    GatewayTokenRecord, KeyRecord, LoginRecord, PauseOrder, ProbeWalk, Probing, Sealed, SessionRecord,
    TemplateChange, TemplateChangeKind, TemplateRecord, TokenRecord,
};
pub use audit::{Actor, ActorKind, AuditEnd, AuditEntry, AuditFilter, NewAudit, Subject};
pub use callers::{CallerId, CallerNumber};
pub use events::{
    AddressCheck, Applied, ApplyOrder, CallbackAction, Effect, EventFilter, EventState, EventView, NewEvent,
    OpenEvents, Received,
};
pub use feed::FeedCursor;
pub use figures::{
    EXPIRY_DAYS, MAX_OPEN_COUNTED, MAX_PERMITS_COUNTED, OpenMessages, PermitsOfKind, ReachPart, ReachParts,
    UsablePermits,
};
pub use messages::{
    Accepted, AttemptView, Cancelled, ClaimBatch, Claimed, ClaimedPermit, Ended, Epoch, Idempotency,
    MessageDetail, MessageFilter, MessageView, NewMessage, Settled, Settlement,
};
pub use nodes::{Acquired, LeaseOrder, Leased, Node, NodeView, Standing, TokenLease};
pub use origins::Origin;
pub use pages::{LOOK_AT, Page};
pub use people::{
    ConsoleSession, LoginLink, NewPassword, NewTotp, PersonChange, PersonChanged, PersonRecord,
};
pub use permits::{Granted, NewPermit, PermitView, Reach};
pub(crate) use prune::PruneAt;
pub use prune::{PruneOrder, PruneWalk, Pruned};
pub use resolve::{Listened, ResolutionView, ResolveOrder, Resolved};
pub use sealed::{Reseal, SealedKind, SealedOwner, SealedPage, SealedValue};
pub use story::{MAX_STORY, MessageStory, StoryDelivery};
pub(crate) use tallies::Tally;
pub use tallies::{MAX_PARTS, TallyBy, TallyCounts, TallyFilter, TallyPart};
pub use users::{UserFilter, UserView};
pub use webhooks::{
    Backlog, Delivery, DeliveryOutcome, DeliveryReport, DeliveryState, DeliveryView, ExpiringOrder,
    ExpiringStep, Feed, MAX_COUNTED, MAX_REPLAY, MAX_WEBHOOKS, ReplayOrder, Replayed, Tried, WebhookAnswer,
    WebhookChange, WebhookRecord, WebhookStanding, WebhookStart,
};
