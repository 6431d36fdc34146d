//! Webhooks and deliveries: the port's questions and writes in SQLite.

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::{DisabledReason, EventType, Fate, Filter, Health};
use hongyan_ledger::{WebhookEventId, WebhookId};
use rusqlite::params;
use serde::Serialize;

use super::super::cells::{change, many, one};
use super::super::memory::Transaction;
use super::super::row_error::{RowError, RowResult};
use super::deliveries;
use super::expiring::ExpiringWalk;
use super::{find, last_number, read_filter};
use crate::rows::WebhookRows;
use crate::rows::webhooks::{PastEvent, WebhookRow};
use crate::types::{DeliveryState, FeedCursor, Tried, WebhookAnswer, WebhookRecord};

impl WebhookRows for Transaction<'_> {
    type ExpiringWalk = ExpiringWalk;

    fn webhook(&self, id: WebhookId) -> RowResult<Option<WebhookRow>> {
        find(self, id)
    }

    fn count_webhooks(&self) -> RowResult<u64> {
        Ok(one(self, "SELECT COUNT(*) FROM webhooks", [], |cells| cells.count())?.unwrap_or(0))
    }

    fn filters_beside(&self, number: i64) -> RowResult<Vec<Filter>> {
        many(self, "SELECT types, apps FROM webhooks WHERE number <> ?", [number], read_filter)
    }

    fn insert_webhook(&self, webhook: &WebhookRecord) -> RowResult<()> {
        self.memory.outbox.forget();
        change(
            self,
            "INSERT INTO webhooks (id, url, description, types, apps, secret, cursor, failures, created_at, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
            params![
                webhook.id.as_bytes(),
                webhook.url,
                webhook.description,
                to_json(webhook.filter.types.as_ref())?,
                to_json(webhook.filter.apps.as_ref())?,
                webhook.secret,
                last_number(self)?,
                webhook.created_at.0,
                webhook.updated_at.0,
            ],
        )?;
        Ok(())
    }

    fn update_webhook(&self, number: i64, url: &str, description: &str, filter: &Filter) -> RowResult<()> {
        self.memory.outbox.forget();
        change(
            self,
            "UPDATE webhooks SET url = ?2, description = ?3, types = ?4, apps = ?5 WHERE number = ?1",
            params![
                number,
                url,
                description,
                to_json(filter.types.as_ref())?,
                to_json(filter.apps.as_ref())?
            ],
        )?;
        Ok(())
    }

    fn update_webhook_secret(&self, number: i64, secret: &[u8], previous_until: UnixMillis) -> RowResult<()> {
        change(
            self,
            "UPDATE webhooks SET previous_secret = secret, previous_until = ?3, secret = ?2 WHERE number = ?1",
            params![number, secret, previous_until.0],
        )?;
        Ok(())
    }

    fn enable_webhook(&self, number: i64) -> RowResult<()> {
        change(
            self,
            "UPDATE webhooks SET disabled = NULL, disabled_at = NULL, failing_since = NULL, failures = 0, \
             rest_until = NULL WHERE number = ?",
            params![number],
        )?;
        Ok(())
    }

    fn disable_webhook(&self, number: i64, reason: DisabledReason, now: UnixMillis) -> RowResult<()> {
        change(
            self,
            "UPDATE webhooks SET disabled = ?2, disabled_at = ?3 WHERE number = ?1",
            params![number, reason.name(), now.0],
        )?;
        Ok(())
    }

    fn webhook_changed(&self, number: i64, now: UnixMillis) -> RowResult<()> {
        change(self, "UPDATE webhooks SET updated_at = ?2 WHERE number = ?1", params![number, now.0])?;
        Ok(())
    }

    fn delete_webhook(&self, id: WebhookId) -> RowResult<bool> {
        self.memory.outbox.forget();
        Ok(change(self, "DELETE FROM webhooks WHERE id = ?", params![id.as_bytes()])? == 1)
    }

    fn update_standing(
        &self,
        number: i64,
        cursor: &FeedCursor,
        health: &Health,
        last: Option<&WebhookAnswer>,
    ) -> RowResult<()> {
        change(
            self,
            "UPDATE webhooks SET cursor = MAX(cursor, ?2), failing_since = ?3, failures = ?4, rest_until = ?5, \
             last_at = ?6, last_status = ?7, last_text = ?8 WHERE number = ?1",
            params![
                number,
                cursor.number(),
                health.failing_since.map(|at| at.0),
                health.failures,
                health.rest_until.map(|at| at.0),
                last.map(|last| last.at.0),
                last.and_then(|last| last.status),
                last.map(|last| last.text.as_str()),
            ],
        )?;
        Ok(())
    }

    fn end_rest(&self, number: i64) -> RowResult<()> {
        change(self, "UPDATE webhooks SET rest_until = NULL WHERE number = ?", [number])?;
        Ok(())
    }

    fn put_delivery(
        &self,
        webhook: i64,
        event: WebhookEventId,
        subject: i64,
        tried: &Tried,
    ) -> RowResult<()> {
        let (state, next_try_at) = match tried.fate {
            Fate::Taken => (DeliveryState::Taken, None),
            Fate::GivenUp => (DeliveryState::GivenUp, None),
            Fate::Retry(at) => (DeliveryState::Pending, Some(at)),
        };
        change(
            self,
            "INSERT INTO webhook_deliveries (event, webhook, subject, state, tries, first_at, last_at, next_try_at, \
             status, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET state = ?4, \
             tries = ?5, first_at = ?6, last_at = ?7, next_try_at = ?8, status = ?9, text = ?10",
            params![
                event.number(),
                webhook,
                subject,
                state.code(),
                tried.tries,
                tried.first_at.0,
                tried.answer.at.0,
                next_try_at.map(|at| at.0),
                tried.answer.status,
                Some(tried.answer.text.as_str()).filter(|text| !text.is_empty()),
            ],
        )?;
        Ok(())
    }

    fn hold_delivery(&self, webhook: i64, event: WebhookEventId, subject: i64) -> RowResult<()> {
        change(
            self,
            "INSERT INTO webhook_deliveries (event, webhook, subject, state, tries) VALUES (?, ?, ?, 0, 0) \
             ON CONFLICT DO NOTHING",
            params![event.number(), webhook, subject],
        )?;
        Ok(())
    }

    fn is_anything_pending(&self, webhook: i64) -> RowResult<bool> {
        deliveries::is_anything_pending(self, webhook)
    }

    fn release_delivery(&self, webhook: i64, subject: i64, now: UnixMillis) -> RowResult<()> {
        change(
            self,
            "UPDATE webhook_deliveries SET next_try_at = ?3 WHERE webhook = ?1 AND next_try_at IS NULL \
             AND event = (SELECT MIN(event) FROM webhook_deliveries INDEXED BY webhook_deliveries_pending \
             WHERE webhook = ?1 AND subject = ?2 AND state = 0)",
            params![webhook, subject, now.0],
        )?;
        Ok(())
    }

    fn begin_deliveries_anew(&self, webhook: i64, now: UnixMillis) -> RowResult<()> {
        change(
            self,
            "UPDATE webhook_deliveries INDEXED BY webhook_deliveries_pending SET tries = 0, first_at = NULL, \
             next_try_at = CASE WHEN event = (SELECT MIN(first.event) FROM webhook_deliveries AS first \
             INDEXED BY webhook_deliveries_pending WHERE first.webhook = ?1 \
             AND first.subject = webhook_deliveries.subject AND first.state = 0) THEN ?2 END \
             WHERE webhook = ?1 AND state = 0",
            params![webhook, now.0],
        )?;
        Ok(())
    }

    fn renew_delivery(&self, webhook: i64, event: WebhookEventId, subject: i64) -> RowResult<()> {
        change(
            self,
            "INSERT INTO webhook_deliveries (event, webhook, subject, state, tries) VALUES (?1, ?2, ?3, 0, 0) \
             ON CONFLICT DO UPDATE SET state = 0, tries = 0, first_at = NULL, next_try_at = NULL",
            params![event.number(), webhook, subject],
        )?;
        Ok(())
    }

    fn hold_all_but_first(&self, webhook: i64, subject: i64) -> RowResult<()> {
        change(
            self,
            "UPDATE webhook_deliveries SET next_try_at = NULL WHERE webhook = ?1 AND subject = ?2 AND state = 0 \
             AND next_try_at IS NOT NULL \
             AND event > (SELECT MIN(event) FROM webhook_deliveries INDEXED BY webhook_deliveries_pending \
             WHERE webhook = ?1 AND subject = ?2 AND state = 0)",
            params![webhook, subject],
        )?;
        Ok(())
    }

    fn subject_of_event(&self, webhook: i64, event: WebhookEventId) -> RowResult<Option<i64>> {
        one(
            self,
            "SELECT subject FROM webhook_events WHERE number = ? AND id = ? \
             AND (type <> 12 OR webhook = ?)",
            params![event.number(), event.as_bytes(), webhook],
            |cells| cells.raw::<i64>(),
        )
    }

    fn past_events(
        &self,
        cursor: &FeedCursor,
        since: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> RowResult<Vec<PastEvent>> {
        many(
            self,
            "SELECT id, subject, type, appid, webhook, created_at FROM webhook_events \
             WHERE number <= ? AND created_at >= ? AND created_at < ? ORDER BY number LIMIT ?",
            params![cursor.number(), since.0, until.0, limit],
            |cells| {
                Ok(PastEvent {
                    id: cells.webhook_event_id()?,
                    subject: cells.raw()?,
                    kind: cells.coded(EventType::from_code)?,
                    app: cells.parsed_or_none()?,
                    about: cells.raw()?,
                    created_at: cells.moment()?,
                })
            },
        )
    }

    fn put_expiring_walk(&self, walk: &ExpiringWalk) -> RowResult<()> {
        change(
            self,
            "INSERT OR REPLACE INTO expiring_walk (one, since, until, lane, user_no, permit) \
             VALUES (1, ?, ?, ?, ?, ?)",
            params![walk.since.0, walk.until.0, walk.lane, walk.user, walk.permit],
        )?;
        Ok(())
    }
}

fn to_json<T: Serialize>(value: Option<&T>) -> RowResult<Option<String>> {
    let json = value.map(serde_json::to_string).transpose();
    json.map_err(|why| RowError::corrupt(format!("a webhook's filter: {why}")))
}
