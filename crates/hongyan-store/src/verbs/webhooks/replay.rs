//! Sends events again, and sends test events.

use std::collections::HashSet;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{WebhookEventId, WebhookId};
use serde::Serialize;

use super::super::outbox;
use crate::row_error::RowResult;
use crate::rows::webhooks::WebhookRow;
use crate::rows::{About, Rows};
use crate::types::{MAX_REPLAY, ReplayOrder, Replayed};

/// Carries out [`crate::Store::replay`].
pub(crate) fn replay(
    rows: &impl Rows,
    id: WebhookId,
    order: &ReplayOrder,
    now: UnixMillis,
) -> RowResult<Replayed> {
    let Some(webhook) = rows.webhook(id)? else { return Ok(Replayed::NoWebhook) };
    end_rest(rows, &webhook)?;
    match *order {
        ReplayOrder::Event(event) => {
            let subject = rows.subject_of_event(webhook.number, event)?;
            let Some(subject) = subject else { return Ok(Replayed::NoEvent) };
            again(rows, &webhook, &[(event, subject)], now)?;
            Ok(Replayed::Events { events: 1, next_since: None })
        }
        ReplayOrder::Between { since, until } => between(rows, &webhook, since, until, now),
    }
}

fn between(
    rows: &impl Rows,
    webhook: &WebhookRow,
    since: UnixMillis,
    until: UnixMillis,
    now: UnixMillis,
) -> RowResult<Replayed> {
    // Events behind the cursor are delivered anyway. The order of events follows the time, unless the clock was set back, so
    // there is no index on the time. A walk over all events takes about a second, and is rare.
    let looked = rows.past_events(&webhook.cursor, since, until, MAX_REPLAY + 1)?;
    let next_since = looked.get(MAX_REPLAY as usize).map(|event| event.created_at);
    let events: Vec<_> = looked
        .iter()
        .take(MAX_REPLAY as usize)
        .filter(|event| {
            event.kind != EventType::WebhookTest && webhook.wants(event.kind, event.app.as_ref(), event.about)
        })
        .map(|event| (event.id, event.subject))
        .collect();
    again(rows, webhook, &events, now)?;
    Ok(Replayed::Events { events: events.len() as u32, next_since })
}

/// Writes these events, in order, as pending and never tried.
fn again(
    rows: &impl Rows,
    webhook: &WebhookRow,
    events: &[(WebhookEventId, i64)],
    now: UnixMillis,
) -> RowResult<()> {
    for &(event, subject) in events {
        rows.renew_delivery(webhook.number, event, subject)?;
    }
    let subjects: HashSet<i64> = events.iter().map(|(_, subject)| *subject).collect();
    for subject in subjects {
        // An event that was to be tried later may be behind an older event now.
        rows.hold_all_but_first(webhook.number, subject)?;
        rows.release_delivery(webhook.number, subject, now)?;
    }
    Ok(())
}

/// A person wants to see whether the webhook works now, so end its rest.
fn end_rest(rows: &impl Rows, webhook: &WebhookRow) -> RowResult<()> {
    rows.signals().webhooks();
    rows.end_rest(webhook.number)
}

/// The data of a test event.
#[derive(Serialize)]
struct TestData {
    webhook: WebhookId,
}

/// Carries out [`crate::Store::test_webhook`].
pub(crate) fn test(rows: &impl Rows, id: WebhookId, now: UnixMillis) -> RowResult<Option<WebhookEventId>> {
    let Some(webhook) = rows.webhook(id)? else { return Ok(None) };
    end_rest(rows, &webhook)?;
    let about = About::Webhook(webhook.number);
    outbox::store(rows, EventType::WebhookTest, about, now, &TestData { webhook: id }, None).map(Some)
}
