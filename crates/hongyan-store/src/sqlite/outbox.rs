//! Events for webhooks, as they lie in SQLite.

use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookEventId;
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::AppId;
use rusqlite::params;

use super::cells::{change, one};
use super::memory::Writing;
use super::trouble::{Res, Trouble};
use super::webhooks;
use crate::rows::{About, OutboxRows};

impl OutboxRows for Writing<'_> {
    fn is_wanted(&self, kind: EventType, app: Option<&AppId>) -> Res<bool> {
        self.memory.outbox.is_wanted(kind, app, || webhooks::filters(self))
    }

    fn insert_webhook_event(
        &self,
        kind: EventType,
        about: About<'_>,
        at: UnixMillis,
        data: &str,
    ) -> Res<WebhookEventId> {
        let number = self.memory.outbox.next_number(|| last_number(self))?;
        if number > WebhookEventId::MAX_NUMBER {
            return Err(Trouble::corrupt(format!("there cannot be an event number {number}")));
        }
        let id = self.memory.outbox.ids.webhook_event(number, at);
        change(
            self,
            "INSERT INTO webhook_events (number, id, type, appid, subject, webhook, created_at, data) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                number,
                id.as_bytes(),
                kind.code(),
                about.app().map(AppId::as_str),
                about.subject(),
                about.webhook(),
                at.0,
                data,
            ],
        )?;
        Ok(id)
    }
}

/// The number of the last event. Those that were cleared away count, too: a cursor may stand at one.
pub(super) fn last_number(db: &rusqlite::Connection) -> Res<i64> {
    let last = one(
        db,
        "SELECT MAX(COALESCE((SELECT MAX(number) FROM webhook_events), 0), \
         COALESCE((SELECT MAX(cursor) FROM webhooks), 0))",
        [],
        |cells| cells.raw(),
    )?;
    Ok(last.unwrap_or(0))
}
