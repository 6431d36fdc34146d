//! Deliveries: the events that a webhook is told of next, and the reads for people.

use std::collections::HashSet;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{MessageId, WebhookEventId, WebhookId};
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::super::cells::{Cells, many, one};
use super::super::row_error::RowResult;
use super::{find, read_answer, read_filter};
use crate::rows::User;
use crate::rows::webhooks::WebhookRow;
use crate::types::{
    Backlog, Delivery, DeliveryState, DeliveryView, Feed, FeedCursor, MAX_COUNTED, MAX_STORY, StoryDelivery,
    WebhookRecord,
};

/// Carries out [`crate::Store::feed`].
pub(in crate::sqlite) fn feed(
    db: &Connection,
    id: WebhookId,
    after: &FeedCursor,
    limit: u32,
) -> RowResult<Feed> {
    let Some(webhook) = find(db, id)? else {
        return Ok(Feed { looked_to: after.clone(), ..Feed::default() });
    };
    // Nearly always no delivery is pending. Asking once saves a query for each event.
    let is_any_pending = is_anything_pending(db, webhook.number)?;
    let looked = many(
        db,
        "SELECT event.id, event.type, event.subject, event.created_at, event.data, event.traceparent, event.appid, event.webhook, \
         CASE WHEN ?4 THEN \
            EXISTS (SELECT 1 FROM webhook_deliveries AS other WHERE other.webhook = ?1 \
                    AND other.subject = event.subject AND other.state = 0) ELSE 0 END \
         FROM webhook_events AS event WHERE event.number > ?2 ORDER BY event.number LIMIT ?3",
        params![webhook.number, after.number(), limit, is_any_pending],
        |cells| {
            let mut delivery = Delivery {
                id: cells.webhook_event_id()?,
                kind: cells.coded(EventType::from_code)?,
                subject: cells.raw()?,
                created_at: cells.moment()?,
                data: cells.raw()?,
                traceparent: cells.raw()?,
                tries: 0,
                first_at: None,
                is_behind: false,
            };
            let app: Option<AppId> = cells.parsed_or_none()?;
            let is_wanted = webhook.wants(delivery.kind, app.as_ref(), cells.raw()?);
            delivery.is_behind = cells.raw()?;
            Ok((delivery, is_wanted))
        },
    )?;
    let looked_to = looked.last().map_or(after.number(), |(delivery, _)| delivery.id.number());
    let known: HashSet<i64> = many(
        db,
        "SELECT event FROM webhook_deliveries WHERE event > ? AND event <= ? AND webhook = ?",
        params![after.number(), looked_to, webhook.number],
        |cells| cells.raw(),
    )?
    .into_iter()
    .collect();
    let goes =
        |(delivery, is_wanted): &(Delivery, bool)| *is_wanted && !known.contains(&delivery.id.number());
    Ok(Feed {
        looked_to: FeedCursor::behind_number(looked_to),
        more: looked.len() >= limit as usize,
        deliveries: looked.into_iter().filter(goes).map(|(delivery, _)| delivery).collect(),
    })
}

/// Carries out [`crate::Store::due_deliveries`].
pub(in crate::sqlite) fn due(
    db: &Connection,
    id: WebhookId,
    now: UnixMillis,
    limit: u32,
) -> RowResult<Vec<Delivery>> {
    let Some(webhook) = find(db, id)? else { return Ok(Vec::new()) };
    many(
        db,
        "SELECT event.id, event.type, event.subject, event.created_at, event.data, event.traceparent, \
         delivery.tries, delivery.first_at \
         FROM webhook_deliveries AS delivery INDEXED BY webhook_deliveries_due \
         JOIN webhook_events AS event ON event.number = delivery.event \
         WHERE delivery.webhook = ? AND delivery.next_try_at <= ? ORDER BY delivery.next_try_at LIMIT ?",
        params![webhook.number, now.0, limit],
        |cells| {
            Ok(Delivery {
                id: cells.webhook_event_id()?,
                kind: cells.coded(EventType::from_code)?,
                subject: cells.raw()?,
                created_at: cells.moment()?,
                data: cells.raw()?,
                traceparent: cells.raw()?,
                tries: cells.raw()?,
                first_at: cells.moment_or_none()?,
                is_behind: false,
            })
        },
    )
}

/// Carries out [`crate::Store::next_delivery_at`].
pub(in crate::sqlite) fn next_at(db: &Connection, id: WebhookId) -> RowResult<Option<UnixMillis>> {
    one(
        db,
        "SELECT next_try_at FROM webhook_deliveries INDEXED BY webhook_deliveries_due \
         WHERE webhook = (SELECT number FROM webhooks WHERE id = ?) AND next_try_at IS NOT NULL \
         ORDER BY next_try_at LIMIT 1",
        params![id.as_bytes()],
        |cells| cells.moment(),
    )
}

pub(super) fn is_anything_pending(db: &Connection, webhook: i64) -> RowResult<bool> {
    let pending = one(
        db,
        "SELECT 1 FROM webhook_deliveries INDEXED BY webhook_deliveries_pending \
         WHERE webhook = ? AND state = 0 LIMIT 1",
        [webhook],
        |_| Ok(()),
    )?;
    Ok(pending.is_some())
}

/// Carries out [`crate::Store::deliveries`].
pub(in crate::sqlite) fn list(
    db: &Connection,
    id: WebhookId,
    before: Option<WebhookEventId>,
    limit: u32,
) -> RowResult<Vec<DeliveryView>> {
    let Some(webhook) = find(db, id)? else { return Ok(Vec::new()) };
    many(
        db,
        "SELECT event.id, event.type, event.created_at, delivery.state, delivery.tries, delivery.next_try_at, \
         delivery.last_at, delivery.status, delivery.text \
         FROM webhook_deliveries AS delivery JOIN webhook_events AS event ON event.number = delivery.event \
         WHERE delivery.event < ?2 AND delivery.webhook = ?1 ORDER BY delivery.event DESC LIMIT ?3",
        params![webhook.number, before.map_or(i64::MAX, |event| event.number()), limit],
        read_view,
    )
}

fn read_view(cells: &mut Cells<'_>) -> RowResult<DeliveryView> {
    Ok(DeliveryView {
        event: cells.webhook_event_id()?,
        kind: cells.coded(EventType::from_code)?,
        created_at: cells.moment()?,
        state: cells.coded(DeliveryState::from_code)?,
        tries: cells.raw()?,
        next_try_at: cells.moment_or_none()?,
        last: read_answer(cells)?,
    })
}

/// Events are numbered nearly in the order of their times: those of one commit may differ by so much, and the clocks of two
/// nodes, too.
const OUT_OF_ORDER: Duration = Duration::from_secs(2);

/// How many events around a moment are looked at, to find those about a message.
const MAX_AROUND: u32 = 20_000;

/// The deliveries of the events about a message that were written around these moments, in the order of the events.
pub(in crate::sqlite) fn about(
    db: &Connection,
    user: &User,
    id: MessageId,
    moments: Vec<UnixMillis>,
) -> RowResult<Vec<StoryDelivery>> {
    let mut found: Vec<StoryDelivery> = Vec::new();
    for (since, until) in spans(moments) {
        let room = (MAX_STORY as usize).saturating_sub(found.len());
        let first = number_at(db, since)?;
        let behind = number_at(db, until)?.min(first.saturating_add(MAX_AROUND.into()));
        let of_span = many(
            db,
            "SELECT webhook.id, webhook.types, webhook.apps, event.id, event.type, event.created_at, delivery.state, \
             delivery.tries, delivery.next_try_at, delivery.last_at, delivery.status, delivery.text \
             FROM webhook_events AS event CROSS JOIN webhook_deliveries AS delivery ON delivery.event = event.number \
             JOIN webhooks AS webhook ON webhook.number = delivery.webhook \
             WHERE event.number >= ?1 AND event.number < ?2 AND event.subject = ?3 AND instr(event.data, ?4) > 0 \
             ORDER BY event.number, delivery.webhook LIMIT ?5",
            params![first, behind, user.key(), id.to_string(), room as i64],
            |cells: &mut Cells<'_>| {
                let webhook = WebhookId::from_bytes(cells.raw()?);
                Ok(StoryDelivery { webhook, filter: read_filter(cells)?, delivery: read_view(cells)? })
            },
        )?;
        found.extend(of_span);
    }
    Ok(found)
}

/// The spans of time around these moments, in order, without overlaps.
fn spans(mut moments: Vec<UnixMillis>) -> Vec<(UnixMillis, UnixMillis)> {
    moments.sort_unstable();
    let mut spans: Vec<(UnixMillis, UnixMillis)> = Vec::new();
    for moment in moments {
        let (since, until) = (moment.minus(OUT_OF_ORDER), moment.plus(OUT_OF_ORDER));
        match spans.last_mut() {
            Some((_, end)) if since <= *end => *end = until,
            _ => spans.push((since, until)),
        }
    }
    spans
}

/// The number of the first event that was written at this moment or later, by bisection: events are numbered in the order of
/// their times.
fn number_at(db: &Connection, moment: UnixMillis) -> RowResult<i64> {
    // Each in a query of its own: both in one would read the whole table.
    let ends = one(
        db,
        "SELECT (SELECT MIN(number) FROM webhook_events), (SELECT MAX(number) FROM webhook_events)",
        [],
        |cells| Ok((cells.raw::<Option<i64>>()?, cells.raw::<Option<i64>>()?)),
    )?;
    let Some((Some(mut low), Some(last))) = ends else { return Ok(0) };
    let mut high = last + 1;
    while low < high {
        let middle = low + (high - low) / 2;
        // There may be no event of this number.
        let next = one(
            db,
            "SELECT number, created_at FROM webhook_events WHERE number >= ? ORDER BY number LIMIT 1",
            [middle],
            |cells| Ok((cells.raw::<i64>()?, cells.moment()?)),
        )?;
        match next {
            Some((number, created_at)) if created_at < moment => low = number + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Carries out [`crate::Store::webhook`].
pub(in crate::sqlite) fn with_backlog(
    db: &Connection,
    id: WebhookId,
) -> RowResult<Option<(WebhookRecord, Backlog)>> {
    let Some(webhook) = find(db, id)? else { return Ok(None) };
    let backlog = backlog(db, &webhook)?;
    Ok(Some((webhook.record, backlog)))
}

fn backlog(db: &Connection, webhook: &WebhookRow) -> RowResult<Backlog> {
    let mut backlog = Backlog::default();
    let mut count = |created_at: UnixMillis| {
        backlog.pending += 1;
        backlog.oldest = Some(backlog.oldest.map_or(created_at, |oldest| oldest.min(created_at)));
    };
    let tried = many(
        db,
        "SELECT event.created_at FROM webhook_deliveries AS delivery INDEXED BY webhook_deliveries_pending \
         JOIN webhook_events AS event ON event.number = delivery.event \
         WHERE delivery.webhook = ? AND delivery.state = 0 LIMIT ?",
        params![webhook.number, MAX_COUNTED],
        |cells| cells.moment(),
    )?;
    tried.into_iter().for_each(&mut count);
    for created_at in untried(db, webhook)? {
        count(created_at);
    }
    Ok(backlog)
}

/// The events behind its cursor that a webhook wants.
fn untried(db: &Connection, webhook: &WebhookRow) -> RowResult<Vec<UnixMillis>> {
    let looked = many(
        db,
        "SELECT created_at, type, appid, webhook FROM webhook_events AS event WHERE number > ?2 \
         AND NOT EXISTS (SELECT 1 FROM webhook_deliveries AS own WHERE own.event = event.number \
                         AND own.webhook = ?1) ORDER BY number LIMIT ?3",
        params![webhook.number, webhook.cursor.number(), MAX_COUNTED],
        |cells| {
            let (created_at, kind) = (cells.moment()?, cells.coded(EventType::from_code)?);
            let app: Option<AppId> = cells.parsed_or_none()?;
            Ok(webhook.wants(kind, app.as_ref(), cells.raw()?).then_some(created_at))
        },
    )?;
    Ok(looked.into_iter().flatten().collect())
}
