//! Collapse keys: of a user's unsent messages with the same key, the newest is the one that counts.
//!
//! A message that is in flight or in doubt is never replaced. So there are three moments at which one gives way: when a
//! newer one is accepted; when it comes back unsent from an attempt during which a newer one was accepted; and when an
//! operator says that it was not sent. Messages without a key pass here without a statement.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState, PermitId, ReasonCode};
use rusqlite::params;

use super::super::memory::Writing;
use super::super::permits;
use super::super::rows::{change, many, one};
use super::super::trouble::Res;
use super::cancel::end;
use super::turn::{give_back, release_hold};
use super::wake::wake_waiting;
use super::{MessageRow, User, load};
use crate::types::{Accepted, Ended, NewMessage};

/// For each message of a batch, whether one behind it has the same user and key. It must not be started: the last wins.
pub(super) fn superseded(messages: &[NewMessage]) -> Vec<bool> {
    let mut last = std::collections::HashSet::new();
    let mut superseded: Vec<bool> = messages
        .iter()
        .rev()
        .map(|new| {
            let key = new.collapse_key.as_deref();
            key.is_some_and(|key| !last.insert((&new.appid, &new.openid, key)))
        })
        .collect();
    superseded.reverse();
    superseded
}

/// What a message replaced.
#[derive(Default)]
pub(super) struct Replaced {
    pub(super) ended: Vec<Ended>,
    /// The permits of which it held units.
    freed: Vec<PermitId>,
}

impl Replaced {
    /// The newer message has had its turn: what it did not take of the freed units is for those that wait.
    pub(super) fn share(&self, tx: &Writing<'_>, user: &User, now: UnixMillis) -> Res<()> {
        for &id in &self.freed {
            wake_waiting(tx, user, &permits::load(tx, user, id)?, now)?;
        }
        Ok(())
    }
}

/// Withdraws what a newer message replaces. Units that it held are free when that one looks for a permit, and nobody
/// else has been told yet.
pub(super) fn replace_older(
    tx: &Writing<'_>,
    user: &User,
    key: &str,
    successor: MessageId,
    now: UnixMillis,
) -> Res<Replaced> {
    let older = many(
        tx,
        "SELECT id FROM messages INDEXED BY messages_collapse WHERE lane = ? AND user = ? \
         AND collapse_key = ? AND state <= 2 AND appid = ? AND openid = ? ORDER BY id",
        params![user.lane.number(), user.key(), key, user.appid.as_str(), user.openid.as_str()],
        |cells| cells.message_id(),
    )?;
    let mut replaced = Replaced::default();
    for id in older {
        let mut row = load(tx, id)?;
        if !row.state.is_withdrawable(row.maybe_delivered) {
            continue;
        }
        replaced.freed.extend(give_back(tx, &mut row)?.map(|permit| permit.id));
        let (state, reason) = (MessageState::Cancelled, ReasonCode::Replaced);
        end(tx, row, state, reason, now)?;
        name_successor(tx, user, id, successor)?;
        replaced.ended.push(Ended { id, state, reason: Some(reason), errcode: None });
    }
    Ok(replaced)
}

/// Those of a batch that a later one of it replaced have been answered for already: their answers are put right, and
/// they are not told of again.
pub(super) fn correct(answers: &mut [Accepted], batch: &[NewMessage], replaced: &mut Vec<Ended>) {
    replaced.retain(|ended| {
        let place = batch.iter().take(answers.len()).position(|earlier| earlier.id == ended.id);
        let Some(Accepted::New { state, reason, wake_at, .. }) = place.and_then(|at| answers.get_mut(at))
        else {
            return true;
        };
        (*state, *reason) = (ended.state, ended.reason);
        // Not for itself, but for whoever it stood in the way of.
        *wake_at = place.map(|at| batch[at].accepted_at);
        false
    });
}

/// A message has come back from an attempt: one of its key that was accepted meanwhile takes its place. The caller
/// writes the row.
pub(super) fn give_way(tx: &Writing<'_>, row: &mut MessageRow, now: UnixMillis) -> Res<()> {
    let Some(key) = row.collapse_key.as_deref() else { return Ok(()) };
    if !row.state.is_withdrawable(row.maybe_delivered) {
        return Ok(());
    }
    // Whatever else is open was accepted later: what was there before was replaced by this one.
    let newer = newest(
        tx,
        row,
        key,
        "SELECT id FROM messages INDEXED BY messages_collapse WHERE lane = ?1 AND user = ?2 AND collapse_key = ?5 \
         AND state <= 2 AND appid = ?3 AND openid = ?4 AND maybe_delivered = 0 AND id <> ?6 \
         ORDER BY id DESC LIMIT 1",
    )?;
    yield_to(tx, row, newer, now)
}

/// The same for a message of unknown outcome that was not sent: also one that was sent meanwhile has made it obsolete.
pub(super) fn give_way_after_doubt(tx: &Writing<'_>, row: &mut MessageRow, now: UnixMillis) -> Res<()> {
    let Some(key) = row.collapse_key.as_deref() else { return Ok(()) };
    // Those that came to nothing do not count: failed, cancelled, expired.
    let newer = newest(
        tx,
        row,
        key,
        "SELECT id FROM messages INDEXED BY messages_of_user WHERE lane = ?1 AND user = ?2 AND appid = ?3 \
         AND openid = ?4 AND collapse_key = ?5 AND state NOT IN (7, 9, 10) AND id > ?6 ORDER BY id DESC LIMIT 1",
    )?;
    yield_to(tx, row, newer, now)
}

/// The message that a statement finds beside this one, of its user and with its key.
fn newest(tx: &Writing<'_>, row: &MessageRow, key: &str, sql: &str) -> Res<Option<MessageId>> {
    let MessageRow { id, user, .. } = row;
    one(
        tx,
        sql,
        params![
            user.lane.number(),
            user.key(),
            user.appid.as_str(),
            user.openid.as_str(),
            key,
            id.as_bytes()
        ],
        |cells| cells.message_id(),
    )
}

fn yield_to(tx: &Writing<'_>, row: &mut MessageRow, newer: Option<MessageId>, now: UnixMillis) -> Res<()> {
    let Some(successor) = newer else { return Ok(()) };
    release_hold(tx, row, now)?;
    row.enter(MessageState::Cancelled, Some(ReasonCode::Replaced), now);
    name_successor(tx, &row.user, row.id, successor)
}

/// Written by itself, so that nothing that is written for every message has to carry it.
fn name_successor(tx: &Writing<'_>, user: &User, id: MessageId, successor: MessageId) -> Res<()> {
    change(
        tx,
        "UPDATE messages SET replaced_by = ?3 WHERE lane = ?1 AND id = ?2",
        params![user.lane.number(), id.as_bytes(), successor.as_bytes()],
    )?;
    Ok(())
}
