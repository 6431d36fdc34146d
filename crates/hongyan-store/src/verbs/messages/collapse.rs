//! Collapse keys: of a user's unsent messages with the same key, the newest is the one that counts.
//!
//! A message that is in flight or in doubt is never replaced. So there are three moments at which one gives way: when a
//! newer one is accepted; when it comes back unsent from an attempt during which a newer one was accepted; and when an
//! operator says that it was not sent. Messages without a key pass here without a statement.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState, PermitId, ReasonCode};

use super::cancel::end;
use super::turn::{give_back, release_hold};
use super::wake::wake_waiting;
use super::write::load;
use crate::row_error::RowResult;
use crate::rows::{MessageRow, Rows, User};
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
    pub(super) fn share(&self, rows: &impl Rows, user: &User, now: UnixMillis) -> RowResult<()> {
        for &id in &self.freed {
            wake_waiting(rows, user, &rows.present_permit(user, id)?, now)?;
        }
        Ok(())
    }
}

/// Withdraws what a newer message replaces. Units that it held are free when that one looks for a permit, and nobody
/// else has been told yet.
pub(super) fn replace_older(
    rows: &impl Rows,
    user: &User,
    key: &str,
    successor: MessageId,
    now: UnixMillis,
) -> RowResult<Replaced> {
    let older = rows.unsent_with_key(user, key)?;
    let mut replaced = Replaced::default();
    for id in older {
        let mut row = load(rows, id)?;
        if !row.state.is_withdrawable(row.maybe_delivered) {
            continue;
        }
        replaced.freed.extend(give_back(rows, &mut row)?.map(|permit| permit.id));
        let (state, reason) = (MessageState::Cancelled, ReasonCode::Replaced);
        end(rows, row, state, reason, now)?;
        rows.set_replaced_by(user, id, successor)?;
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
pub(super) fn give_way(rows: &impl Rows, row: &mut MessageRow, now: UnixMillis) -> RowResult<()> {
    let Some(key) = row.collapse_key.as_deref() else { return Ok(()) };
    if !row.state.is_withdrawable(row.maybe_delivered) {
        return Ok(());
    }
    // Whatever else is open was accepted later: what was there before was replaced by this one.
    let newer = rows.newest_unsent_with_key(row, key)?;
    yield_to(rows, row, newer, now)
}

/// The same for a message of unknown outcome that was not sent: also one that was sent meanwhile has made it obsolete.
pub(super) fn give_way_after_doubt(rows: &impl Rows, row: &mut MessageRow, now: UnixMillis) -> RowResult<()> {
    let Some(key) = row.collapse_key.as_deref() else { return Ok(()) };
    // Those that came to nothing do not count: failed, cancelled, expired.
    let newer = rows.newest_later_with_key(row, key)?;
    yield_to(rows, row, newer, now)
}

fn yield_to(
    rows: &impl Rows,
    row: &mut MessageRow,
    newer: Option<MessageId>,
    now: UnixMillis,
) -> RowResult<()> {
    let Some(successor) = newer else { return Ok(()) };
    release_hold(rows, row, now)?;
    row.enter(MessageState::Cancelled, Some(ReasonCode::Replaced), now);
    rows.set_replaced_by(&row.user, row.id, successor)
}
