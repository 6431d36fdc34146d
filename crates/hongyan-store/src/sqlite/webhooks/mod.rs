//! Webhooks: who is told of events.
//!
//! | module | carries out |
//! | --- | --- |
//! | this one | setting up, changing, forgetting |
//! | [`deliveries`] | what is to be delivered, what became of it, what people ask about it |
//! | [`replay`] | sending again, and tests |
//! | [`expiring`] | the search for permits that expire soon |

use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookId;
use hongyan_ledger::webhook::{DisabledReason, EventType, Filter, Health};
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cells::{Cells, change, many, one};
use super::memory::Writing;
use super::outbox;
use super::trouble::{Res, Trouble};
use crate::rows::{About, Rows};
use crate::types::{MAX_WEBHOOKS, WebhookAnswer, WebhookChange, WebhookRecord, WebhookStart};
use crate::verbs;

pub(super) mod deliveries;
pub(super) mod expiring;
pub(super) mod replay;

/// The columns of a webhook, in the order in which [`Webhook::read`] takes them.
macro_rules! columns {
    () => {
        "number, cursor, id, url, description, types, apps, secret, previous_secret, previous_until, disabled, \
         disabled_at, failing_since, failures, rest_until, last_at, last_status, last_text, created_at, updated_at"
    };
}

/// A webhook as it is stored.
struct Webhook {
    number: i64,
    cursor: i64,
    record: WebhookRecord,
}

impl Webhook {
    fn read(cells: &mut Cells<'_>) -> Res<Self> {
        let (number, cursor) = (cells.raw()?, cells.raw()?);
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
        Ok(Self { number, cursor, record })
    }

    fn into_start(self) -> WebhookStart {
        WebhookStart { record: self.record, cursor: self.cursor }
    }

    fn wants(&self, kind: EventType, app: Option<&hongyan_wechat::AppId>, webhook: Option<i64>) -> bool {
        match kind {
            EventType::WebhookTest => webhook == Some(self.number),
            // Not told to the one that it is about.
            _ => webhook != Some(self.number) && self.record.filter.wants(kind, app),
        }
    }
}

fn read_filter(cells: &mut Cells<'_>) -> Res<Filter> {
    Ok(Filter { types: from_json(cells.raw()?)?, apps: from_json(cells.raw()?)? })
}

/// The three columns of a last answer.
fn read_answer(cells: &mut Cells<'_>) -> Res<Option<WebhookAnswer>> {
    let at = cells.moment_or_none()?;
    let (status, text): (Option<u16>, Option<String>) = (cells.raw()?, cells.raw()?);
    Ok(at.map(|at| WebhookAnswer { at, status, text: text.unwrap_or_default() }))
}

fn from_json<T: DeserializeOwned>(json: Option<String>) -> Res<Option<T>> {
    json.map(|json| serde_json::from_str(&json).map_err(|why| Trouble::corrupt(format!("{json}: {why}"))))
        .transpose()
}

fn to_json<T: Serialize>(value: Option<&T>) -> Res<Option<String>> {
    let json = value.map(serde_json::to_string).transpose();
    json.map_err(|why| Trouble::corrupt(format!("a webhook's filter: {why}")))
}

/// What each webhook wants. Those that are disabled still listen: what happens meanwhile is delivered when they are
/// enabled.
pub(super) fn filters(db: &Connection) -> Res<Vec<Filter>> {
    many(db, "SELECT types, apps FROM webhooks", [], read_filter)
}

fn find(db: &Connection, id: WebhookId) -> Res<Option<Webhook>> {
    one(
        db,
        concat!("SELECT ", columns!(), " FROM webhooks WHERE id = ?"),
        params![id.as_bytes()],
        Webhook::read,
    )
}

/// Carries out [`crate::Store::webhooks`].
pub(super) fn all(db: &Connection) -> Res<Vec<WebhookStart>> {
    many(db, concat!("SELECT ", columns!(), " FROM webhooks ORDER BY number"), [], |cells| {
        Webhook::read(cells).map(Webhook::into_start)
    })
}

/// Carries out [`crate::Store::webhook_start`].
pub(super) fn start(db: &Connection, id: WebhookId) -> Res<Option<WebhookStart>> {
    Ok(find(db, id)?.map(Webhook::into_start))
}

/// Carries out [`crate::Store::add_webhook`].
pub(super) fn add(tx: &Writing<'_>, webhook: &WebhookRecord) -> Res<bool> {
    let count = one(tx, "SELECT COUNT(*) FROM webhooks", [], |cells| cells.count())?.unwrap_or(0);
    if count >= MAX_WEBHOOKS as u64 {
        return Ok(false);
    }
    change(
        tx,
        "INSERT INTO webhooks (id, url, description, types, apps, secret, cursor, failures, created_at, updated_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
        params![
            webhook.id.as_bytes(),
            webhook.url,
            webhook.description,
            to_json(webhook.filter.types.as_ref())?,
            to_json(webhook.filter.apps.as_ref())?,
            webhook.secret,
            outbox::last_number(tx)?,
            webhook.created_at.0,
            webhook.updated_at.0,
        ],
    )?;
    tx.memory.outbox.forget();
    tx.signals().webhooks();
    Ok(true)
}

/// Carries out [`crate::Store::change_webhook`].
pub(super) fn alter(
    tx: &Writing<'_>,
    id: WebhookId,
    to: &WebhookChange,
    now: UnixMillis,
) -> Res<Option<WebhookRecord>> {
    let Some(webhook) = find(tx, id)? else { return Ok(None) };
    tx.signals().webhooks();
    match to {
        WebhookChange::Settings { url, description, filter } => {
            change(
                tx,
                "UPDATE webhooks SET url = ?2, description = ?3, types = ?4, apps = ?5 WHERE number = ?1",
                params![
                    webhook.number,
                    url,
                    description,
                    to_json(filter.types.as_ref())?,
                    to_json(filter.apps.as_ref())?
                ],
            )?;
            tx.memory.outbox.forget();
        }
        WebhookChange::Secret { secret, previous_until } => {
            change(
                tx,
                "UPDATE webhooks SET previous_secret = secret, previous_until = ?3, secret = ?2 WHERE number = ?1",
                params![webhook.number, secret, previous_until.0],
            )?;
        }
        WebhookChange::Enable => {
            change(
                tx,
                "UPDATE webhooks SET disabled = NULL, disabled_at = NULL, failing_since = NULL, failures = 0, \
                 rest_until = NULL WHERE number = ?",
                params![webhook.number],
            )?;
            deliveries::begin_anew(tx, webhook.number, now)?;
        }
        WebhookChange::Disable(reason) => disable(tx, &webhook, *reason, now)?,
    }
    change(tx, "UPDATE webhooks SET updated_at = ?2 WHERE number = ?1", params![webhook.number, now.0])?;
    Ok(find(tx, id)?.map(|webhook| webhook.record))
}

/// What is told of a webhook that is disabled.
#[derive(Serialize)]
struct DisabledData<'a> {
    webhook: WebhookId,
    url: &'a str,
    description: &'a str,
    reason: DisabledReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<UnixMillis>,
}

/// Disables a webhook, and tells the others.
fn disable(tx: &Writing<'_>, webhook: &Webhook, reason: DisabledReason, now: UnixMillis) -> Res<()> {
    if webhook.record.disabled.is_some() {
        return Ok(());
    }
    tx.signals().webhooks();
    change(
        tx,
        "UPDATE webhooks SET disabled = ?2, disabled_at = ?3 WHERE number = ?1",
        params![webhook.number, reason.name(), now.0],
    )?;
    // Its own filter must not be the only one that passes.
    let others =
        many(tx, "SELECT types, apps FROM webhooks WHERE number <> ?", [webhook.number], read_filter)?;
    if others.iter().any(|filter| filter.wants(EventType::WebhookDisabled, None)) {
        let data = DisabledData {
            webhook: webhook.record.id,
            url: &webhook.record.url,
            description: &webhook.record.description,
            reason,
            failing_since: webhook.record.health.failing_since,
        };
        verbs::outbox::store(tx, EventType::WebhookDisabled, About::Webhook(webhook.number), now, &data)?;
    }
    Ok(())
}

/// Carries out [`crate::Store::remove_webhook`]. What became of its deliveries goes with the events: all at once could
/// be millions of rows.
pub(super) fn remove(tx: &Writing<'_>, id: WebhookId) -> Res<bool> {
    let removed = change(tx, "DELETE FROM webhooks WHERE id = ?", params![id.as_bytes()])?;
    tx.memory.outbox.forget();
    tx.signals().webhooks();
    Ok(removed == 1)
}
