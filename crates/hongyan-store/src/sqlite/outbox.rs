//! Events: written in the transaction that makes them true, if anybody wants to hear of them.
//!
//! Who causes one calls [`emit`] and gives what is to be told as a function: where nobody listens, it is not called, and
//! no statement is executed.

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{MessageId, MessageState, WebhookEventId, app_number};
use hongyan_wechat::{AppId, Errcode};
use rusqlite::params;
use serde::Serialize;

use super::memory::Writing;
use super::messages::{MessageRow, User};
use super::rows::{change, one};
use super::trouble::{Res, Trouble};
use super::webhooks;

/// Who or what an event is about. Events about the same are delivered in order.
#[derive(Clone, Copy)]
pub(super) enum About<'a> {
    /// A user of an app.
    User(&'a User),
    /// An app.
    App(&'a AppId),
    /// A webhook, by its number.
    Webhook(i64),
}

impl About<'_> {
    const fn app(&self) -> Option<&AppId> {
        match self {
            Self::User(user) => Some(&user.appid),
            Self::App(appid) => Some(appid),
            Self::Webhook(_) => None,
        }
    }

    const fn webhook(&self) -> Option<i64> {
        match self {
            Self::Webhook(number) => Some(*number),
            _ => None,
        }
    }

    /// Two that share a number only wait for each other.
    fn subject(&self) -> i64 {
        match self {
            Self::User(user) => user.key(),
            Self::App(appid) => app_number(appid).cast_signed(),
            Self::Webhook(number) => *number,
        }
    }
}

/// Whether anybody wants to hear of such an event.
pub(super) fn is_wanted(tx: &Writing<'_>, kind: EventType, app: Option<&AppId>) -> Res<bool> {
    tx.memory.outbox.is_wanted(kind, app, || webhooks::filters(tx))
}

/// Stores an event, if anybody wants to hear of it.
pub(super) fn emit<D: Serialize>(
    tx: &Writing<'_>,
    kind: EventType,
    about: About<'_>,
    at: UnixMillis,
    data: impl FnOnce() -> D,
) -> Res<()> {
    if is_wanted(tx, kind, about.app())? {
        store(tx, kind, about, at, &data())?;
    }
    Ok(())
}

/// Stores an event, whoever wants it.
pub(super) fn store(
    tx: &Writing<'_>,
    kind: EventType,
    about: About<'_>,
    at: UnixMillis,
    data: &impl Serialize,
) -> Res<WebhookEventId> {
    let number = tx.memory.outbox.next_number(|| last_number(tx))?;
    if number > WebhookEventId::MAX_NUMBER {
        return Err(Trouble::corrupt(format!("there cannot be an event number {number}")));
    }
    let id = tx.memory.outbox.ids.webhook_event(number, at);
    let data =
        serde_json::to_string(data).map_err(|why| Trouble::corrupt(format!("the data of {id}: {why}")))?;
    change(
        tx,
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

/// What is told of a message.
#[derive(Serialize)]
pub(super) struct MessageData<'a> {
    pub(super) id: MessageId,
    pub(super) app: &'a AppId,
    pub(super) to: &'a str,
    pub(super) template: &'a str,
    pub(super) channel: hongyan_ledger::Channel,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<&'a str>,
    pub(super) state: MessageState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<ReasonData<'a>>,
    pub(super) attempt_count: u32,
    pub(super) accepted_at: UnixMillis,
}

/// Why a message is where it is.
#[derive(Serialize)]
pub(super) struct ReasonData<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<Errcode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errmsg: Option<&'a str>,
}

/// A message has come to another state.
pub(super) fn message_moved(tx: &Writing<'_>, row: &MessageRow) -> Res<()> {
    let Some(kind) = EventType::of_state(row.state) else { return Ok(()) };
    emit(tx, kind, About::User(&row.user), row.updated_at, || {
        // WeChat's word on the last attempt belongs to the reason if it was a refusal.
        let refusal = row.outcome.as_ref().and_then(|outcome| Some((outcome.errcode()?, outcome.text())));
        let refusal = refusal.filter(|(errcode, _)| errcode.0 != 0);
        MessageData {
            id: row.id,
            app: &row.user.appid,
            to: row.user.openid.as_str(),
            template: row.template.as_str(),
            channel: row.channel,
            reference: row.reference.as_deref(),
            state: row.state,
            reason: row.reason.map(|reason| ReasonData {
                code: reason.name(),
                errcode: refusal.map(|(errcode, _)| errcode),
                errmsg: refusal.map(|(_, errmsg)| errmsg),
            }),
            attempt_count: row.attempts,
            accepted_at: row.accepted_at,
        }
    })
}
