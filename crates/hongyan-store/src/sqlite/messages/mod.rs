//! Messages: one row each, small, rewritten as the message goes its way.
//!
//! | module | carries out |
//! | --- | --- |
//! | [`accept`] | `accept` |
//! | [`turn`] | what happens when a message's moment has come (the ledger's `start`) |
//! | [`claim`] | `claim` |
//! | [`settle`] | `settle` |
//! | [`wake`] | whose turn is next; permits that arrive; timers that a start mends |
//! | [`cancel`] | `cancel`, and cancelling all of an app |
//! | [`collapse`] | what a message with a collapse key does to older ones |
//! | [`resolve`] | `resolve` |
//! | [`deliver`] | what WeChat's event about a message does to it |
//! | [`explain`] | `explain` |
//! | [`read`] | `message`, `messages`, what is `sending` |
//!
//! Two things always hold between transactions. A message that is open but not `sending` names a permit only if it
//! holds one of its units. And a ready message without a timer (or with none but its deadline) is *parked*: an
//! event will wake it, in the transaction that makes the event true.

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{Channel, Lane, MessageId, MessageState, OnUnknown, PermitId, PermitPolicy, ReasonCode};
use hongyan_wechat::{AppId, OpenId, TemplateId};
use rusqlite::{Connection, params};

use super::memory::Writing;
use super::outbox;
use super::rows::{Cells, change, many, one, outcome_code};
use super::trouble::{Res, Trouble};
use crate::signals::Moved;
use crate::types::{AttemptView, Idempotency, MessageView};

pub(super) mod accept;
pub(super) mod cancel;
pub(super) mod claim;
mod collapse;
pub(super) mod deliver;
pub(super) mod explain;
pub(super) mod read;
pub(super) mod resolve;
pub(super) mod settle;
mod turn;
pub(super) mod wake;

/// The columns of a message, in the order in which [`MessageRow::read`] takes them.
macro_rules! columns {
    () => {
        "id, lane, user, appid, openid, template, channel, policy, on_unknown, own_permit, reference, accepted_at, send_at, \
         deadline, state, reason, wake_at, updated_at, permit_id, permit_held, maybe_delivered, attempts, \
         claimed_at, ended_at, attempt_permit_id, outcome, errcode, outcome_text, msgid, collapse_key, replaced_by"
    };
}
use columns;

/// A user of an app, with the lane that both are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) lane: Lane,
    /// Stands for appid and openid in keys ([`hongyan_ledger::user_number`]).
    pub(super) number: u64,
    pub(super) appid: AppId,
    pub(super) openid: OpenId,
}

impl User {
    pub(super) fn of(appid: &AppId, openid: &OpenId) -> Self {
        let number = hongyan_ledger::user_number(appid, openid);
        Self { lane: Lane::of_number(number), number, appid: appid.clone(), openid: openid.clone() }
    }

    /// The number as it is stored: SQLite's integers are signed.
    pub(super) const fn key(&self) -> i64 {
        self.number.cast_signed()
    }
}

/// Tells of all messages that a restore holds back since `now`, in the order of their acceptance. It has written their
/// states itself.
pub(super) fn tell_restored(tx: &Writing<'_>, now: UnixMillis) -> Res<()> {
    /// Read in one go.
    const PAGE: i64 = 1_000;
    let mut after = MessageId::from_bytes([0; 16]);
    loop {
        let page = many(
            tx,
            concat!(
                "SELECT ",
                columns!(),
                " FROM messages WHERE id > ? AND state = ? AND reason = ? AND updated_at = ? ORDER BY id LIMIT ?"
            ),
            params![after.as_bytes(), MessageState::Unknown.code(), ReasonCode::Restored.name(), now.0, PAGE,],
            MessageRow::read,
        )?;
        if page.is_empty() {
            return Ok(());
        }
        for row in page {
            after = row.id;
            outbox::message_moved(tx, &row)?;
        }
    }
}

/// A message as it is stored.
#[derive(Debug, Clone)]
pub(super) struct MessageRow {
    pub(super) id: MessageId,
    pub(super) user: User,
    pub(super) template: TemplateId,
    pub(super) channel: Channel,
    pub(super) policy: PermitPolicy,
    pub(super) on_unknown: OnUnknown,
    /// It may use the permit that came with it and no other.
    pub(super) own_permit: bool,
    pub(super) reference: Option<String>,
    pub(super) accepted_at: UnixMillis,
    pub(super) send_at: UnixMillis,
    pub(super) deadline: Option<UnixMillis>,
    pub(super) state: MessageState,
    /// The state and the reason that stand in the file; `None` before the row does.
    pub(super) stored: Option<(MessageState, Option<ReasonCode>)>,
    pub(super) reason: Option<ReasonCode>,
    pub(super) wake_at: Option<UnixMillis>,
    pub(super) updated_at: UnixMillis,
    pub(super) permit: Option<PermitId>,
    /// One of the permit's held units is this message's.
    pub(super) permit_held: bool,
    pub(super) maybe_delivered: bool,
    /// The last attempt's number.
    pub(super) attempts: u32,
    pub(super) claimed_at: Option<UnixMillis>,
    pub(super) ended_at: Option<UnixMillis>,
    /// The last attempt's permit, where it is not the message's any more.
    pub(super) attempt_permit: Option<PermitId>,
    pub(super) outcome: Option<Outcome>,
    pub(super) collapse_key: Option<String>,
    /// Written by [`collapse`] alone.
    pub(super) replaced_by: Option<MessageId>,
}

impl MessageRow {
    fn read(cells: &mut Cells<'_>) -> Res<Self> {
        let id = cells.message_id()?;
        let (lane, number) = (cells.lane()?, cells.raw::<i64>()?.cast_unsigned());
        let user = User { lane, number, appid: cells.parsed()?, openid: cells.parsed()? };
        let mut row = Self {
            id,
            user,
            template: cells.parsed()?,
            channel: cells.coded(Channel::from_code)?,
            policy: cells.coded(PermitPolicy::from_code)?,
            on_unknown: cells.coded(OnUnknown::from_code)?,
            own_permit: cells.raw()?,
            reference: cells.raw()?,
            accepted_at: cells.moment()?,
            send_at: cells.moment()?,
            deadline: cells.moment_or_none()?,
            state: cells.coded(MessageState::from_code)?,
            stored: None,
            reason: cells.named_or_none(ReasonCode::from_name)?,
            wake_at: cells.moment_or_none()?,
            updated_at: cells.moment()?,
            permit: cells.permit_id_or_none()?,
            permit_held: cells.raw()?,
            maybe_delivered: cells.raw()?,
            attempts: cells.raw()?,
            claimed_at: cells.moment_or_none()?,
            ended_at: cells.moment_or_none()?,
            attempt_permit: cells.permit_id_or_none()?,
            outcome: cells.outcome_with_msgid_or_none()?,
            collapse_key: cells.raw()?,
            replaced_by: cells.message_id_or_none()?,
        };
        row.stored = Some((row.state, row.reason));
        Ok(row)
    }

    /// Whether nothing but an event (or its deadline) will move it.
    fn is_parked(&self) -> bool {
        self.wake_at.is_none() || self.wake_at == self.deadline
    }

    /// Puts it into a state. The timer is cleared; who wants one sets it afterwards.
    fn enter(&mut self, state: MessageState, reason: Option<ReasonCode>, now: UnixMillis) {
        debug_assert!(
            self.state == state || self.state.may_become(state),
            "{} cannot become {state}",
            self.state
        );
        self.state = state;
        self.reason = reason;
        self.wake_at = None;
        self.updated_at = now;
    }

    /// The last attempt, if there was one.
    fn last_attempt(&self) -> Option<AttemptView> {
        Some(AttemptView {
            number: self.attempts,
            started_at: self.claimed_at?,
            ended_at: self.ended_at,
            permit: self.attempt_permit.or(self.permit),
            outcome: self.outcome.clone(),
        })
    }

    fn into_view(self) -> MessageView {
        MessageView {
            id: self.id,
            appid: self.user.appid,
            openid: self.user.openid,
            template: self.template,
            channel: self.channel,
            state: self.state,
            reason: self.reason,
            last_outcome: self.outcome,
            attempts: self.attempts,
            permit: self.permit,
            reference: self.reference,
            collapse_key: self.collapse_key,
            replaced_by: self.replaced_by,
            maybe_delivered: self.maybe_delivered,
            policy: self.policy,
            on_unknown: self.on_unknown,
            accepted_at: self.accepted_at,
            send_at: self.send_at,
            deadline: self.deadline,
            wake_at: self.wake_at,
            updated_at: self.updated_at,
        }
    }
}

/// One message; `None` also for an id that was never made here.
fn find(db: &Connection, id: MessageId) -> Res<Option<MessageRow>> {
    let Some(lane) = id.lane() else { return Ok(None) };
    one(
        db,
        concat!("SELECT ", columns!(), " FROM messages WHERE lane = ? AND id = ?"),
        params![lane.number(), id.as_bytes()],
        MessageRow::read,
    )
}

/// One message that must be there.
fn load(db: &Connection, id: MessageId) -> Res<MessageRow> {
    find(db, id)?.ok_or_else(|| Trouble::corrupt(format!("{id} is named but not there")))
}

/// Writes a new message. Its idempotency key is written with it and never read with it.
fn insert(tx: &Writing<'_>, row: &mut MessageRow, key: Option<&Idempotency>, body: &[u8]) -> Res<()> {
    change(
        tx,
        concat!(
            "INSERT INTO messages (",
            columns!(),
            ", key_hash, fingerprint, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
             ?, ?, NULL, NULL, NULL, NULL, NULL, NULL, ?, NULL, ?, ?, ?)"
        ),
        params![
            row.id.as_bytes(),
            row.user.lane.number(),
            row.user.key(),
            row.user.appid.as_str(),
            row.user.openid.as_str(),
            row.template.as_str(),
            row.channel.code(),
            row.policy.code(),
            row.on_unknown.code(),
            row.own_permit,
            row.reference,
            row.accepted_at.0,
            row.send_at.0,
            row.deadline.map(|at| at.0),
            row.state.code(),
            row.reason.map(ReasonCode::name),
            row.wake_at.map(|at| at.0),
            row.updated_at.0,
            row.permit.as_ref().map(PermitId::as_bytes),
            row.permit_held,
            row.maybe_delivered,
            row.attempts,
            row.claimed_at.map(|at| at.0),
            row.collapse_key,
            key.map(|key| &key.key_hash[..]),
            key.map(|key| &key.fingerprint[..]),
            body,
        ],
    )?;
    written(tx, row)
}

/// The row stands in the file as it is: whoever counts, listens or waits is told.
fn written(tx: &Writing<'_>, row: &mut MessageRow) -> Res<()> {
    let before = row.stored.replace((row.state, row.reason));
    let state_before = before.map(|(state, _)| state);
    tx.memory.open.moved(row.user.lane, row.user.number, state_before, row.state);
    if let Some(at) = row.wake_at {
        tx.wakes(row.user.lane, row.state, at);
    }
    if before != row.stored {
        let is_new_state = state_before != Some(row.state);
        tx.message_moved(Moved {
            id: row.id,
            state: row.state,
            reason: row.reason,
            is_new_state,
            is_parked: row.state == MessageState::Ready && row.is_parked(),
        });
        if is_new_state {
            outbox::message_moved(tx, row)?;
        }
    }
    Ok(())
}

/// Writes what may have changed of a message.
fn save(tx: &Writing<'_>, row: &mut MessageRow) -> Res<()> {
    debug_assert!(
        row.state == MessageState::Sending || !is_open(row.state) || row.permit.is_some() == row.permit_held,
        "{}: an open message names a permit only if it holds one",
        row.id
    );
    let changed = change(
        tx,
        "UPDATE messages SET state = ?3, reason = ?4, wake_at = ?5, updated_at = ?6, permit_id = ?7, \
         permit_held = ?8, maybe_delivered = ?9, attempts = ?10, claimed_at = ?11, ended_at = ?12, \
         attempt_permit_id = ?13, outcome = ?14, errcode = ?15, outcome_text = ?16, msgid = ?17 \
         WHERE lane = ?1 AND id = ?2",
        params![
            row.user.lane.number(),
            row.id.as_bytes(),
            row.state.code(),
            row.reason.map(ReasonCode::name),
            row.wake_at.map(|at| at.0),
            row.updated_at.0,
            row.permit.as_ref().map(PermitId::as_bytes),
            row.permit_held,
            row.maybe_delivered,
            row.attempts,
            row.claimed_at.map(|at| at.0),
            row.ended_at.map(|at| at.0),
            row.attempt_permit.as_ref().map(PermitId::as_bytes),
            row.outcome.as_ref().map(outcome_code),
            row.outcome.as_ref().and_then(|outcome| outcome.errcode().map(|code| code.0)),
            row.outcome.as_ref().map(Outcome::text),
            row.outcome.as_ref().and_then(Outcome::msgid),
        ],
    )?;
    if changed != 1 {
        return Err(Trouble::corrupt(format!("{} is not there any more", row.id)));
    }
    written(tx, row)
}

const fn is_open(state: MessageState) -> bool {
    state.is_cancellable() || matches!(state, MessageState::Sending)
}

/// The request body of a message.
fn body(db: &Connection, row: &MessageRow) -> Res<Vec<u8>> {
    one(
        db,
        "SELECT body FROM messages WHERE lane = ? AND id = ?",
        params![row.user.lane.number(), row.id.as_bytes()],
        |cells| cells.raw(),
    )?
    .ok_or_else(|| Trouble::corrupt(format!("{} has no body", row.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_in_the_indexes_are_the_states_codes() {
        // Index conditions must be constants, so migrations and statements spell them out.
        assert_eq!(MessageState::Scheduled.code(), 0);
        assert_eq!(MessageState::Ready.code(), 1);
        assert_eq!(MessageState::Waiting.code(), 2);
        assert_eq!(MessageState::Sending.code(), 3);
        let schema = include_str!("../../../migrations/V2__lanes.sql");
        for condition in ["WHERE state IN (1, 2);", "WHERE state = 3;"] {
            assert!(schema.contains(condition), "{condition}");
        }
        // `state <= 2` of the collapse keys' index, and its statements' words for what came to nothing.
        let open = MessageState::ALL.into_iter().filter(|state| state.code() <= 2);
        assert!(open.eq(MessageState::ALL.into_iter().filter(|state| state.is_cancellable())));
        let schema = include_str!("../../../migrations/V3__messages.sql");
        assert!(schema.contains("WHERE collapse_key IS NOT NULL AND state <= 2;"));
        let nothing = [MessageState::Failed, MessageState::Cancelled, MessageState::Expired];
        assert_eq!(nothing.map(MessageState::code), [7, 9, 10]);
    }
}
