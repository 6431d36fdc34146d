//! Webhooks and their deliveries.

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
    /// The number that stands for it in keys.
    pub(crate) number: i64,
    /// Behind the last event that it was told of, or that it does not want.
    pub(crate) cursor: FeedCursor,
    pub(crate) record: WebhookRecord,
}

impl WebhookRow {
    pub(crate) fn into_start(self) -> WebhookStart {
        WebhookStart { record: self.record, cursor: self.cursor }
    }

    /// Whether the webhook wants an event; `about`: the webhook that the event is about.
    pub(crate) fn wants(&self, kind: EventType, app: Option<&AppId>, about: Option<i64>) -> bool {
        match kind {
            EventType::WebhookTest => about == Some(self.number),
            // A webhook is not told of events about itself.
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
    /// The webhook that the event is about.
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

/// Questions about webhooks, and writes of webhooks.
pub(crate) trait WebhookRows {
    /// Where the search for permits that expire soon is, in the backend's order of permits.
    type ExpiringWalk;

    /// One webhook.
    fn webhook(&self, id: WebhookId) -> RowResult<Option<WebhookRow>>;

    /// How many webhooks there are.
    fn count_webhooks(&self) -> RowResult<u64>;

    /// The filters of the other webhooks.
    fn filters_beside(&self, number: i64) -> RowResult<Vec<Filter>>;

    /// Writes a new webhook, whose cursor is behind the last event.
    fn insert_webhook(&self, webhook: &WebhookRecord) -> RowResult<()>;

    /// Writes a webhook's URL, description and filter.
    fn update_webhook(&self, number: i64, url: &str, description: &str, filter: &Filter) -> RowResult<()>;

    /// Writes a webhook's new secret; the previous secret signs, too, until a moment.
    fn update_webhook_secret(&self, number: i64, secret: &[u8], previous_until: UnixMillis) -> RowResult<()>;

    /// Writes that a webhook is enabled, and clears its failures.
    fn enable_webhook(&self, number: i64) -> RowResult<()>;

    /// Writes that a webhook is disabled.
    fn disable_webhook(&self, number: i64, reason: DisabledReason, now: UnixMillis) -> RowResult<()>;

    /// Writes when a webhook was last changed.
    fn webhook_changed(&self, number: i64, now: UnixMillis) -> RowResult<()>;

    /// Removes a webhook. Its deliveries stay until their events are removed: deleting all of them at once could be millions
    /// of rows. `false`: there is no such webhook.
    fn delete_webhook(&self, id: WebhookId) -> RowResult<bool>;

    /// Writes a webhook's health, and that it was told of everything up to `cursor`.
    fn update_standing(
        &self,
        number: i64,
        cursor: &FeedCursor,
        health: &Health,
        last: Option<&WebhookAnswer>,
    ) -> RowResult<()>;

    /// Ends the rest of a failing webhook.
    fn end_rest(&self, number: i64) -> RowResult<()>;

    /// Writes the outcome of a try.
    fn put_delivery(&self, webhook: i64, event: WebhookEventId, subject: i64, tried: &Tried)
    -> RowResult<()>;

    /// Writes a delivery that waits for an earlier one of its subject, unless it is stored already.
    fn hold_delivery(&self, webhook: i64, event: WebhookEventId, subject: i64) -> RowResult<()>;

    /// Whether any delivery of a webhook is pending.
    fn is_anything_pending(&self, webhook: i64) -> RowResult<bool>;

    /// Gives the first pending delivery of a subject a moment for its next try, if it has no moment.
    fn release_delivery(&self, webhook: i64, subject: i64, now: UnixMillis) -> RowResult<()>;

    /// Writes all pending deliveries of a webhook as never tried; the first delivery of each subject is due.
    fn begin_deliveries_anew(&self, webhook: i64, now: UnixMillis) -> RowResult<()>;

    /// Makes a delivery pending as if it had never been tried.
    fn renew_delivery(&self, webhook: i64, event: WebhookEventId, subject: i64) -> RowResult<()>;

    /// Takes the moment from all pending deliveries of a subject except the first.
    fn hold_all_but_first(&self, webhook: i64, subject: i64) -> RowResult<()>;

    /// The subject of an event that may be sent to a webhook again.
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
