//! The outcomes of deliveries.
//!
//! Of the pending deliveries of one subject only the first has a moment for its next try. The next delivery gets its moment
//! when the first is done.

use super::super::lanes::is_current;
use super::disable;
use crate::row_error::RowResult;
use crate::rows::Rows;
use crate::types::{DeliveryReport, WebhookStanding};

/// Carries out [`crate::Store::settle_deliveries`].
pub(crate) fn settle(rows: &impl Rows, report: &DeliveryReport) -> RowResult<Option<WebhookStanding>> {
    if !is_current(rows, report.webhook.lane(), report.epoch)? {
        return Ok(None);
    }
    let Some(mut webhook) = rows.webhook(report.webhook)? else { return Ok(None) };
    let mut disabled = None;
    for outcome in &report.outcomes {
        match &outcome.tried {
            None => rows.hold_delivery(webhook.number, outcome.event, outcome.subject)?,
            Some(tried) => {
                rows.put_delivery(webhook.number, outcome.event, outcome.subject, tried)?;
                let (health, end) = webhook.record.health.after(tried.reply, tried.answer.at, tried.random);
                webhook.record.health = health;
                webhook.record.last = Some(tried.answer.clone());
                disabled = disabled.or(end);
            }
        }
    }
    let (health, last) = (webhook.record.health, webhook.record.last.as_ref());
    rows.update_standing(webhook.number, &report.cursor, &health, last)?;
    // Nearly always no delivery is pending. Asking once saves a query for each outcome.
    if rows.is_anything_pending(webhook.number)? {
        for outcome in &report.outcomes {
            rows.release_delivery(webhook.number, outcome.subject, report.now)?;
        }
    }
    if let Some(reason) = disabled {
        disable(rows, &webhook, reason, report.now)?;
    }
    let disabled = webhook.record.disabled.map(|(reason, _)| reason).or(disabled);
    Ok(Some(WebhookStanding { health, disabled }))
}
