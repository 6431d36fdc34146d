//! Events that WeChat pushed.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{EventId, Lane};
use hongyan_wechat::AppId;

use super::user::User;
use crate::row_error::RowResult;
use crate::types::{AddressCheck, Effect, EventState, EventView, NewEvent};

/// Questions about events, and writes of events.
pub(crate) trait EventRows {
    /// The digest of the content that came under a nonce.
    fn digest_under_nonce(&self, nonce: &Nonce) -> RowResult<Option<[u8; 32]>>;

    /// Writes that a content came under a nonce. An existing row stays as it is.
    fn insert_nonce(&self, nonce: &Nonce, digest: [u8; 32], expires_at: UnixMillis) -> RowResult<()>;

    /// The event with this digest in the lane of this user number.
    fn event_with_digest(&self, lane: Lane, number: u64, digest: [u8; 32]) -> RowResult<Option<EventId>>;

    /// Writes a new event, to be worked on at once.
    fn insert_event(&self, event: &NewEvent, lane: Lane, number: u64) -> RowResult<()>;

    /// One event; `None` also for an id that was never made here.
    fn event(&self, id: EventId) -> RowResult<Option<EventView>>;

    /// Writes the result of working on an event. If the event was only put off, its `tries` are counted up.
    fn update_event(
        &self,
        id: EventId,
        state: EventState,
        wake_at: Option<UnixMillis>,
        worked_at: Option<UnixMillis>,
        effects: &[Effect],
    ) -> RowResult<()>;

    /// Whether an event about this user was received and is not worked on yet.
    fn has_open_event(&self, user: &User) -> RowResult<bool>;

    /// Writes that an event came by an app's callback.
    fn callback_heard(&self, event: &NewEvent) -> RowResult<()>;

    /// Writes that WeChat has checked the address of an app's callback.
    fn callback_verified(&self, appid: &AppId, check: &AddressCheck) -> RowResult<()>;
}

/// A nonce of a push, by its hash.
///
/// It is not stored in the user's lane. A forged content may name any user, and any app with the same token, so a nonce must
/// count for all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nonce {
    pub(crate) lane: u8,
    pub(crate) hash: [u8; 32],
}
