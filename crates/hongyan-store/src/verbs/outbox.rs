//! Webhook events: written in the transaction of what they tell, if a webhook wants them.
//!
//! A verb calls [`emit`] and passes the data as a function. If no webhook wants the event, the function is not called, and
//! no statement is executed.

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{MessageId, MessageState, WebhookEventId};
use hongyan_wechat::{AppId, Errcode};
use serde::Serialize;

use crate::row_error::{RowError, RowResult};
use crate::rows::{About, MessageRow, Rows};

/// Stores an event, if a webhook wants it.
pub(crate) fn emit<D: Serialize>(
    rows: &impl Rows,
    kind: EventType,
    about: About<'_>,
    at: UnixMillis,
    data: impl FnOnce() -> D,
) -> RowResult<()> {
    if rows.is_wanted(kind, about.app())? {
        store(rows, kind, about, at, &data(), None)?;
    }
    Ok(())
}

/// Stores an event in any case. `traceparent`: of the message that the event is about.
pub(crate) fn store(
    rows: &impl Rows,
    kind: EventType,
    about: About<'_>,
    at: UnixMillis,
    data: &impl Serialize,
    traceparent: Option<&str>,
) -> RowResult<WebhookEventId> {
    let data = serde_json::to_string(data)
        .map_err(|why| RowError::corrupt(format!("the data of an event {}: {why}", kind.name())))?;
    rows.insert_webhook_event(kind, about, at, &data, traceparent)
}

/// The data of an event about a message.
#[derive(Serialize)]
pub(crate) struct MessageData<'a> {
    pub(crate) id: MessageId,
    pub(crate) app: &'a AppId,
    pub(crate) to: &'a str,
    pub(crate) template: &'a str,
    pub(crate) channel: hongyan_ledger::Channel,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<&'a str>,
    /// The id of the request that brought the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
    pub(crate) state: MessageState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<ReasonData<'a>>,
    pub(crate) attempt_count: u32,
    pub(crate) accepted_at: UnixMillis,
}

/// The reason of a message's state.
#[derive(Serialize)]
pub(crate) struct ReasonData<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<Errcode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errmsg: Option<&'a str>,
}

/// A message came to another state.
pub(crate) fn message_moved(rows: &impl Rows, row: &MessageRow) -> RowResult<()> {
    let Some(kind) = EventType::of_state(row.state) else { return Ok(()) };
    let about = About::User(&row.user);
    if !rows.is_wanted(kind, about.app())? {
        return Ok(());
    }
    let origin = rows.origin(row)?;
    // WeChat's answer to the last attempt belongs to the reason if WeChat refused the message.
    let refusal = row.outcome.as_ref().and_then(|outcome| Some((outcome.errcode()?, outcome.text())));
    let refusal = refusal.filter(|(errcode, _)| errcode.0 != 0);
    let data = MessageData {
        id: row.id,
        app: &row.user.appid,
        to: row.user.openid.as_str(),
        template: row.template.as_str(),
        channel: row.channel,
        reference: row.reference.as_deref(),
        request_id: origin.request_id.as_deref(),
        state: row.state,
        reason: row.reason.map(|reason| ReasonData {
            code: reason.name(),
            errcode: refusal.map(|(errcode, _)| errcode),
            errmsg: refusal.map(|(_, errmsg)| errmsg),
        }),
        attempt_count: row.attempts,
        accepted_at: row.accepted_at,
    };
    store(rows, kind, about, row.updated_at, &data, origin.traceparent.as_deref())?;
    Ok(())
}
