//! Webhooks in SQLite.
//!
//! | module | knows |
//! | --- | --- |
//! | this one | how a webhook's row is read |
//! | [`port`] | what the verbs ask and write |
//! | [`deliveries`] | what is to be delivered, and the reads for people |
//! | [`expiring`] | the search for permits that expire soon |

use hongyan_ledger::WebhookId;
use hongyan_ledger::webhook::{DisabledReason, Filter, Health};
use rusqlite::{Connection, params};
use serde::de::DeserializeOwned;

use super::cells::{Cells, many, one};
use super::row_error::{RowError, RowResult};
use crate::rows::webhooks::WebhookRow;
use crate::types::{FeedCursor, WebhookAnswer, WebhookRecord, WebhookStart};

pub(super) mod deliveries;
pub(super) mod expiring;
mod port;

/// The columns of a webhook, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "number, cursor, id, url, description, types, apps, secret, previous_secret, previous_until, disabled, \
         disabled_at, failing_since, failures, rest_until, last_at, last_status, last_text, created_at, updated_at"
    };
}

fn read(cells: &mut Cells<'_>) -> RowResult<WebhookRow> {
    let (number, cursor) = (cells.raw()?, FeedCursor::behind_number(cells.raw()?));
    let id = WebhookId::from_bytes(cells.raw()?);
    let record = WebhookRecord {
        id,
        url: cells.raw()?,
        description: cells.raw()?,
        filter: read_filter(cells)?,
        secret: cells.raw()?,
        previous_secret: {
            let secret: Option<Vec<u8>> = cells.raw()?;
            secret.zip(cells.moment_or_none()?)
        },
        disabled: {
            let reason = cells.named_or_none(DisabledReason::from_name)?;
            reason.zip(cells.moment_or_none()?)
        },
        health: Health {
            failing_since: cells.moment_or_none()?,
            failures: cells.raw()?,
            rest_until: cells.moment_or_none()?,
        },
        last: read_answer(cells)?,
        created_at: cells.moment()?,
        updated_at: cells.moment()?,
    };
    Ok(WebhookRow { number, cursor, record })
}

fn read_filter(cells: &mut Cells<'_>) -> RowResult<Filter> {
    Ok(Filter { types: from_json(cells.raw()?)?, apps: from_json(cells.raw()?)? })
}

/// The last answer, from three columns.
fn read_answer(cells: &mut Cells<'_>) -> RowResult<Option<WebhookAnswer>> {
    let at = cells.moment_or_none()?;
    let (status, text): (Option<u16>, Option<String>) = (cells.raw()?, cells.raw()?);
    Ok(at.map(|at| WebhookAnswer { at, status, text: text.unwrap_or_default() }))
}

fn from_json<T: DeserializeOwned>(json: Option<String>) -> RowResult<Option<T>> {
    json.map(|json| serde_json::from_str(&json).map_err(|why| RowError::corrupt(format!("{json}: {why}"))))
        .transpose()
}

/// The filter of each webhook. Disabled webhooks count, too: events that happen meanwhile are delivered when they are
/// enabled.
pub(super) fn filters(db: &Connection) -> RowResult<Vec<Filter>> {
    many(db, "SELECT types, apps FROM webhooks", [], read_filter)
}

/// The number of the last event, even if the event was removed: a cursor may have this number.
pub(super) fn last_number(db: &rusqlite::Connection) -> RowResult<i64> {
    let last = one(
        db,
        "SELECT MAX(COALESCE((SELECT MAX(number) FROM webhook_events), 0), \
         COALESCE((SELECT MAX(cursor) FROM webhooks), 0))",
        [],
        |cells| cells.raw(),
    )?;
    Ok(last.unwrap_or(0))
}

fn find(db: &Connection, id: WebhookId) -> RowResult<Option<WebhookRow>> {
    one(db, concat!("SELECT ", columns!(), " FROM webhooks WHERE id = ?"), params![id.as_bytes()], read)
}

/// Carries out [`crate::Store::webhooks`].
pub(super) fn all(db: &Connection) -> RowResult<Vec<WebhookStart>> {
    many(db, concat!("SELECT ", columns!(), " FROM webhooks ORDER BY number"), [], |cells| {
        read(cells).map(WebhookRow::into_start)
    })
}

/// Carries out [`crate::Store::webhook_start`].
pub(super) fn start(db: &Connection, id: WebhookId) -> RowResult<Option<WebhookStart>> {
    Ok(find(db, id)?.map(WebhookRow::into_start))
}
