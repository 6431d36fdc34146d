//! Webhooks, and what became of what they are told.

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::{DisabledReason, EventType, Filter, Health};
use hongyan_ledger::{PermitId, WebhookEventId, WebhookId};
use hongyan_wechat::AppId;

use super::user::User;
use crate::row_error::RowResult;
use crate::types::{FeedCursor, Tried, WebhookAnswer, WebhookRecord, WebhookStart};

/// A webhook as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct WebhookRow {
    /// Stands for it in keys.
    pub(crate) number: i64,
    /// Behind the last event that it was told of, or that it does not want.
    pub(crate) cursor: FeedCursor,
    pub(crate) record: WebhookRecord,
}

impl WebhookRow {
    pub(crate) fn into_start(self) -> WebhookStart {
        WebhookStart { record: self.record, cursor: self.cursor }
    }

    /// Whether it wants an event; `about`: the webhook that the event is about.
    pub(crate) fn wants(&self, kind: EventType, app: Option<&AppId>, about: Option<i64>) -> bool {
        match kind {
            EventType::WebhookTest => about == Some(self.number),
            // Not told to the one that it is about.
            _ => about != Some(self.number) && self.record.filter.wants(kind, app),
        }
    }
}

/// An event that may be sent again.
#[derive(Debug, Clone)]
pub(crate) struct PastEvent {
    pub(crate) id: WebhookEventId,
    pub(crate) subject: i64,
    pub(crate) kind: EventType,
    pub(crate) app: Option<AppId>,
    /// The webhook that it is about.
    pub(crate) about: Option<i64>,
    pub(crate) created_at: UnixMillis,
}

/// What a reader found in the search for permits that expire soon.
pub(crate) struct ExpiringFound<W> {
    pub(crate) permits: Vec<(User, PermitId)>,
    /// How far the search has come.
    pub(crate) walk: W,
    /// The search has come to its end.
    pub(crate) is_over: bool,
}

/// Questions about webhooks, and writes.
pub(crate) trait WebhookRows {
    /// Where the search for permits that expire soon is, in the backend's order of permits.
    type ExpiringWalk;

    /// One webhook.
    fn webhook(&self, id: WebhookId) -> RowResult<Option<WebhookRow>>;

    /// How many there are.
    fn count_webhooks(&self) -> RowResult<u64>;

    /// What the other webhooks want.
    fn filters_beside(&self, number: i64) -> RowResult<Vec<Filter>>;

    /// Writes a new webhook, which hears of what comes behind the last event.
    fn insert_webhook(&self, webhook: &WebhookRecord) -> RowResult<()>;

    /// Writes where a webhook is and what it wants.
    fn update_webhook(&self, number: i64, url: &str, description: &str, filter: &Filter) -> RowResult<()>;

    /// Writes a webhook's new secret; the one before signs until a moment, too.
    fn update_webhook_secret(&self, number: i64, secret: &[u8], previous_until: UnixMillis) -> RowResult<()>;

    /// Writes that a webhook is enabled, and forgets how it has been.
    fn enable_webhook(&self, number: i64) -> RowResult<()>;

    /// Writes that a webhook is disabled.
    fn disable_webhook(&self, number: i64, reason: DisabledReason, now: UnixMillis) -> RowResult<()>;

    /// Writes when a webhook was last changed.
    fn webhook_changed(&self, number: i64, now: UnixMillis) -> RowResult<()>;

    /// Removes a webhook. Its deliveries go with the events: all at once could be millions of rows. `false`: there is none.
    fn delete_webhook(&self, id: WebhookId) -> RowResult<bool>;

    /// Writes how a webhook is, and that it was told of everything up to `cursor`.
    fn update_standing(
        &self,
        number: i64,
        cursor: &FeedCursor,
        health: &Health,
        last: Option<&WebhookAnswer>,
    ) -> RowResult<()>;

    /// Ends a webhook's rest.
    fn end_rest(&self, number: i64) -> RowResult<()>;

    /// Writes how a delivery was tried.
    fn put_delivery(&self, webhook: i64, event: WebhookEventId, subject: i64, tried: &Tried)
    -> RowResult<()>;

    /// Writes a delivery that is behind another of its subject, unless it is there.
    fn hold_delivery(&self, webhook: i64, event: WebhookEventId, subject: i64) -> RowResult<()>;

    /// Whether any delivery of a webhook is pending.
    fn is_anything_pending(&self, webhook: i64) -> RowResult<bool>;

    /// The first pending delivery of a subject gets a moment for its next try, if it has none.
    fn release_delivery(&self, webhook: i64, subject: i64, now: UnixMillis) -> RowResult<()>;

    /// What is pending of a webhook has never been tried, and the first of each subject is due.
    fn begin_deliveries_anew(&self, webhook: i64, now: UnixMillis) -> RowResult<()>;

    /// Makes a delivery pending as if it had never been tried.
    fn renew_delivery(&self, webhook: i64, event: WebhookEventId, subject: i64) -> RowResult<()>;

    /// Of a subject's pending deliveries all but the first lose their moment.
    fn hold_all_but_first(&self, webhook: i64, subject: i64) -> RowResult<()>;

    /// The subject of an event that a webhook may be sent again.
    fn subject_of_event(&self, webhook: i64, event: WebhookEventId) -> RowResult<Option<i64>>;

    /// Events up to a webhook's cursor from a span of time, in order, at most `limit`.
    fn past_events(
        &self,
        cursor: &FeedCursor,
        since: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> RowResult<Vec<PastEvent>>;

    /// Writes where the search for permits that expire soon is.
    fn put_expiring_walk(&self, walk: &Self::ExpiringWalk) -> RowResult<()>;
}
