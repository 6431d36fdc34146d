//! Sending again, and sending for a test.

use std::collections::HashSet;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{WebhookEventId, WebhookId};
use hongyan_wechat::AppId;
use rusqlite::params;
use serde::Serialize;

use super::super::cells::{change, many, one};
use super::super::memory::Writing;
use super::super::trouble::Res;
use super::{Webhook, deliveries, find};
use crate::rows::{About, Rows};
use crate::types::{MAX_REPLAY, ReplayOrder, Replayed};
use crate::verbs;

/// Carries out [`crate::Store::replay`].
pub(in crate::sqlite) fn replay(
    tx: &Writing<'_>,
    id: WebhookId,
    order: &ReplayOrder,
    now: UnixMillis,
) -> Res<Replayed> {
    let Some(webhook) = find(tx, id)? else { return Ok(Replayed::NoWebhook) };
    end_rest(tx, &webhook)?;
    match *order {
        ReplayOrder::Event(event) => {
            let subject = one(
                tx,
                "SELECT subject FROM webhook_events WHERE number = ? AND id = ? \
                 AND (type <> 12 OR webhook = ?)",
                params![event.number(), event.as_bytes(), webhook.number],
                |cells| cells.raw::<i64>(),
            )?;
            let Some(subject) = subject else { return Ok(Replayed::NoEvent) };
            again(tx, &webhook, &[(event.number(), subject)], now)?;
            Ok(Replayed::Events { events: 1, next_since: None })
        }
        ReplayOrder::Between { since, until } => between(tx, &webhook, since, until, now),
    }
}

fn between(
    tx: &Writing<'_>,
    webhook: &Webhook,
    since: UnixMillis,
    until: UnixMillis,
    now: UnixMillis,
) -> Res<Replayed> {
    // What lies behind the cursor is on its way anyhow. Numbers follow the time, but for a clock that was set back, so
    // there is no index on it; a walk over all events is a matter of a second, and seldom.
    let looked = many(
        tx,
        "SELECT number, subject, type, appid, webhook, created_at FROM webhook_events \
         WHERE number <= ? AND created_at >= ? AND created_at < ? ORDER BY number LIMIT ?",
        params![webhook.cursor, since.0, until.0, MAX_REPLAY + 1],
        |cells| {
            let event: (i64, i64) = (cells.raw()?, cells.raw()?);
            let kind = cells.coded(EventType::from_code)?;
            let app: Option<AppId> = cells.parsed_or_none()?;
            let is_wanted = kind != EventType::WebhookTest && webhook.wants(kind, app.as_ref(), cells.raw()?);
            Ok((event, is_wanted, cells.moment()?))
        },
    )?;
    let next_since = looked.get(MAX_REPLAY as usize).map(|(_, _, created_at)| *created_at);
    let events: Vec<_> = looked
        .iter()
        .take(MAX_REPLAY as usize)
        .filter(|(_, is_wanted, _)| *is_wanted)
        .map(|(event, ..)| *event)
        .collect();
    again(tx, webhook, &events, now)?;
    Ok(Replayed::Events { events: events.len() as u32, next_since })
}

/// Makes these events, in order, pending as if they had never been tried.
fn again(tx: &Writing<'_>, webhook: &Webhook, events: &[(i64, i64)], now: UnixMillis) -> Res<()> {
    for &(event, subject) in events {
        change(
            tx,
            "INSERT INTO webhook_deliveries (event, webhook, subject, state, tries) VALUES (?1, ?2, ?3, 0, 0) \
             ON CONFLICT DO UPDATE SET state = 0, tries = 0, first_at = NULL, next_try_at = NULL",
            params![event, webhook.number, subject],
        )?;
    }
    let subjects: HashSet<i64> = events.iter().map(|(_, subject)| *subject).collect();
    for subject in subjects {
        // One that was to be tried later may have an older one before it now.
        change(
            tx,
            "UPDATE webhook_deliveries SET next_try_at = NULL WHERE webhook = ?1 AND subject = ?2 AND state = 0 \
             AND next_try_at IS NOT NULL \
             AND event > (SELECT MIN(event) FROM webhook_deliveries INDEXED BY webhook_deliveries_pending \
                          WHERE webhook = ?1 AND subject = ?2 AND state = 0)",
            params![webhook.number, subject],
        )?;
        deliveries::release(tx, webhook.number, subject, now)?;
    }
    Ok(())
}

/// Somebody wants to see whether it works now.
fn end_rest(tx: &Writing<'_>, webhook: &Webhook) -> Res<()> {
    tx.signals().webhooks();
    change(tx, "UPDATE webhooks SET rest_until = NULL WHERE number = ?", [webhook.number])?;
    Ok(())
}

/// What is told for a test.
#[derive(Serialize)]
struct TestData {
    webhook: WebhookId,
}

/// Carries out [`crate::Store::test_webhook`].
pub(in crate::sqlite) fn test(
    tx: &Writing<'_>,
    id: WebhookId,
    now: UnixMillis,
) -> Res<Option<WebhookEventId>> {
    let Some(webhook) = find(tx, id)? else { return Ok(None) };
    end_rest(tx, &webhook)?;
    let about = About::Webhook(webhook.number);
    verbs::outbox::store(tx, EventType::WebhookTest, about, now, &TestData { webhook: id }).map(Some)
}
