//! Webhook events in SQLite.

use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookEventId;
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::AppId;
use rusqlite::params;

use super::cells::change;
use super::memory::Transaction;
use super::row_error::{RowError, RowResult};
use super::webhooks;
use crate::rows::{About, OutboxRows};

impl OutboxRows for Transaction<'_> {
    fn is_wanted(&self, kind: EventType, app: Option<&AppId>) -> RowResult<bool> {
        self.memory.outbox.is_wanted(kind, app, || webhooks::filters(self))
    }

    fn insert_webhook_event(
        &self,
        kind: EventType,
        about: About<'_>,
        at: UnixMillis,
        data: &str,
        traceparent: Option<&str>,
    ) -> RowResult<WebhookEventId> {
        let number = self.memory.outbox.next_number(|| webhooks::last_number(self))?;
        if number > WebhookEventId::MAX_NUMBER {
            return Err(RowError::corrupt(format!("there cannot be an event number {number}")));
        }
        let id = self.memory.outbox.ids.webhook_event(number, at);
        change(
            self,
            "INSERT INTO webhook_events (number, id, type, appid, subject, webhook, created_at, data, \
             traceparent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                number,
                id.as_bytes(),
                kind.code(),
                about.app().map(AppId::as_str),
                about.subject(),
                about.webhook(),
                at.0,
                data,
                traceparent,
            ],
        )?;
        Ok(id)
    }
}
