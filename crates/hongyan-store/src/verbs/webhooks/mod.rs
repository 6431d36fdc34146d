//! Webhooks: which webhook is told of which events.
//!
//! | module | carries out |
//! | --- | --- |
//! | this one | adding, changing, removing |
//! | [`deliveries`] | the outcomes of deliveries |
//! | [`replay`] | sending again, and test events |
//! | [`expiring`] | telling of permits that expire soon |

use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookId;
use hongyan_ledger::webhook::{DisabledReason, EventType};
use serde::Serialize;

use super::outbox;
use crate::row_error::RowResult;
use crate::rows::webhooks::WebhookRow;
use crate::rows::{About, Rows};
use crate::types::{MAX_WEBHOOKS, WebhookChange, WebhookRecord};

pub(crate) mod deliveries;
pub(crate) mod expiring;
pub(crate) mod replay;

/// Carries out [`crate::Store::add_webhook`].
pub(crate) fn add(rows: &impl Rows, webhook: &WebhookRecord) -> RowResult<bool> {
    if rows.count_webhooks()? >= MAX_WEBHOOKS as u64 {
        return Ok(false);
    }
    rows.insert_webhook(webhook)?;
    rows.signals().webhooks();
    Ok(true)
}

/// Carries out [`crate::Store::change_webhook`].
pub(crate) fn alter(
    rows: &impl Rows,
    id: WebhookId,
    to: &WebhookChange,
    now: UnixMillis,
) -> RowResult<Option<WebhookRecord>> {
    let Some(webhook) = rows.webhook(id)? else { return Ok(None) };
    rows.signals().webhooks();
    match to {
        WebhookChange::Settings { url, description, filter } => {
            rows.update_webhook(webhook.number, url, description, filter)?;
        }
        WebhookChange::Secret { instead_of: Some(before), .. } if *before != webhook.record.secret => {
            return Ok(Some(webhook.record));
        }
        WebhookChange::Secret { secret, previous_until, .. } => {
            rows.update_webhook_secret(webhook.number, secret, *previous_until)?;
        }
        WebhookChange::Enable => {
            rows.enable_webhook(webhook.number)?;
            rows.begin_deliveries_anew(webhook.number, now)?;
        }
        WebhookChange::Disable(reason) => disable(rows, &webhook, *reason, now)?,
    }
    rows.webhook_changed(webhook.number, now)?;
    Ok(rows.webhook(id)?.map(|webhook| webhook.record))
}

/// The data of an event about a disabled webhook.
#[derive(Serialize)]
struct DisabledData<'a> {
    webhook: WebhookId,
    url: &'a str,
    description: &'a str,
    reason: DisabledReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<UnixMillis>,
}

/// Disables a webhook, and tells the other webhooks.
fn disable(rows: &impl Rows, webhook: &WebhookRow, reason: DisabledReason, now: UnixMillis) -> RowResult<()> {
    if webhook.record.disabled.is_some() {
        return Ok(());
    }
    rows.signals().webhooks();
    rows.disable_webhook(webhook.number, reason, now)?;
    // A webhook is not told of events about itself, so only the other filters count.
    let others = rows.filters_beside(webhook.number)?;
    if others.iter().any(|filter| filter.wants(EventType::WebhookDisabled, None)) {
        let data = DisabledData {
            webhook: webhook.record.id,
            url: &webhook.record.url,
            description: &webhook.record.description,
            reason,
            failing_since: webhook.record.health.failing_since,
        };
        outbox::store(rows, EventType::WebhookDisabled, About::Webhook(webhook.number), now, &data, None)?;
    }
    Ok(())
}

/// Carries out [`crate::Store::remove_webhook`].
pub(crate) fn remove(rows: &impl Rows, id: WebhookId) -> RowResult<bool> {
    let removed = rows.delete_webhook(id)?;
    rows.signals().webhooks();
    Ok(removed)
}
