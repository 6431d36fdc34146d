//! Old rows: a reader picks them, the writer removes them by key.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{EventId, Lane, MessageId, MessageState, PermitId};

use super::user::User;
use crate::row_error::RowResult;
use crate::types::{PruneAt, PruneWalk, Pruned};

/// The rows that a reader picked, and where the walk goes on.
pub(crate) struct Picked {
    pub(crate) what: Old,
    pub(crate) next: Option<PruneAt>,
}

/// The rows that may be removed, as the reader saw them.
pub(crate) enum Old {
    Messages(Vec<MessageId>),
    Permits(Vec<(User, PermitId)>),
    /// The next kinds need no walk: an index on their expiry finds them.
    Sessions(Lane),
    GatewayTokens,
    Events(Vec<EventId>),
    Leftovers(Lane),
    Users(Lane),
    Audit,
    Tallies,
    /// Up to the event with this number.
    WebhookEvents(i64),
    Nothing,
}

impl Picked {
    /// Whether the writer has nothing to do.
    pub(crate) fn is_nothing(&self) -> bool {
        match &self.what {
            Old::Messages(ids) => ids.is_empty(),
            Old::Permits(permits) => permits.is_empty(),
            Old::Nothing => true,
            Old::Events(ids) => ids.is_empty(),
            Old::Sessions(_)
            | Old::GatewayTokens
            | Old::Leftovers(_)
            | Old::Users(_)
            | Old::Audit
            | Old::Tallies
            | Old::WebhookEvents(_) => false,
        }
    }

    /// The answer for a step that removed nothing.
    pub(crate) fn unchanged(self) -> Pruned {
        Pruned { next: self.next.map(PruneWalk), ..Pruned::default() }
    }
}

/// Removes old rows. Each method returns how many rows it removed.
pub(crate) trait OldRows {
    /// A message's state, and since when it has this state.
    fn standing_of(&self, id: MessageId) -> RowResult<Option<(MessageState, UnixMillis)>>;

    /// Removes a message's earlier attempts, at most `limit`.
    fn delete_attempts(&self, id: MessageId, limit: u32) -> RowResult<u32>;

    /// Removes a message with its resolutions.
    fn delete_message(&self, id: MessageId) -> RowResult<u32>;

    /// Removes a permit that expired before a moment and of which no unit is held.
    fn delete_expired_permit(&self, user: &User, id: PermitId, before: UnixMillis) -> RowResult<u32>;

    /// Removes an event that is done.
    fn delete_event(&self, id: EventId) -> RowResult<u32>;

    /// Removes a lane's expired nonces, at most `limit`.
    fn delete_old_nonces(&self, lane: Lane, now: UnixMillis, limit: u32) -> RowResult<u32>;

    /// Removes a lane's expired acceptances without a partner, at most `limit`.
    fn delete_old_acceptances(&self, lane: Lane, now: UnixMillis, limit: u32) -> RowResult<u32>;

    /// Removes session keys of a lane's users who did not log in after a moment, at most `limit`.
    fn delete_old_session_keys(&self, lane: Lane, before: UnixMillis, limit: u32) -> RowResult<u32>;

    /// Removes deliveries of webhook events up to this number, at most `limit`.
    fn delete_deliveries(&self, last: i64, limit: u32) -> RowResult<u32>;

    /// Removes webhook events up to this number that have no deliveries, at most `limit`.
    fn delete_webhook_events(&self, last: i64, limit: u32) -> RowResult<u32>;
}
