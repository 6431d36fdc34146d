//! Collapse keys: of a user's unsent messages with the same key, the newest is the one that counts.
//!
//! A message that is in flight or in doubt is never replaced. So a message can give way at three moments: when a newer
//! message is accepted; when it comes back unsent from an attempt during which a newer message was accepted; and when an
//! operator says that it was not sent. Messages without a key cost no statement here.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState, PermitId, ReasonCode};

use super::cancel::end;
use super::turn::{give_back, release_hold};
use super::wake::wake_waiting;
use super::write::load;
use crate::row_error::RowResult;
use crate::rows::{MessageRow, Rows, User};
use crate::types::{Accepted, Ended, NewMessage};

/// For each message of a batch, whether a later message of the batch has the same user and key. Then it must not be started:
/// the last one wins.
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

/// The messages that a newer message replaced.
#[derive(Default)]
pub(super) struct Replaced {
    pub(super) ended: Vec<Ended>,
    /// The permits of which the replaced messages held units.
    freed: Vec<PermitId>,
}

impl Replaced {
    /// Wakes waiting messages for the freed units that the newer message did not take. To be called after the newer message
    /// has had its turn.
    pub(super) fn share(&self, rows: &impl Rows, user: &User, now: UnixMillis) -> RowResult<()> {
        for &id in &self.freed {
            wake_waiting(rows, user, &rows.present_permit(user, id)?, now)?;
        }
        Ok(())
    }
}

/// Withdraws the messages that a newer message replaces. The units that they held are free when the newer message looks for
/// a permit; waiting messages are woken only later, by `share`.
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

/// Corrects the answers for messages of a batch that a later message of the same batch replaced: their answers exist
/// already. These messages are taken out of `replaced`, so that they are reported once.
pub(super) fn correct(answers: &mut [Accepted], batch: &[NewMessage], replaced: &mut Vec<Ended>) {
    replaced.retain(|ended| {
        let place = batch.iter().take(answers.len()).position(|earlier| earlier.id == ended.id);
        let Some(Accepted::New { state, reason, wake_at, .. }) = place.and_then(|at| answers.get_mut(at))
        else {
            return true;
        };
        (*state, *reason) = (ended.state, ended.reason);
        // The timer is not for this message, but for the messages that waited behind it.
        *wake_at = place.map(|at| batch[at].accepted_at);
        false
    });
}

/// A message has come back from an attempt: if a newer message with its key was accepted meanwhile, this one gives way. The
/// caller writes the row.
pub(super) fn give_way(rows: &impl Rows, row: &mut MessageRow, now: UnixMillis) -> RowResult<()> {
    let Some(key) = row.collapse_key.as_deref() else { return Ok(()) };
    if !row.state.is_withdrawable(row.maybe_delivered) {
        return Ok(());
    }
    // Every other unsent message with this key is newer: this message replaced the older ones when it was accepted.
    let newer = rows.newest_unsent_with_key(row, key)?;
    yield_to(rows, row, newer, now)
}

/// The same for an `unknown` message that turned out not to be sent. Here a newer message replaces it even if the newer one
/// is sent already.
pub(super) fn give_way_after_doubt(rows: &impl Rows, row: &mut MessageRow, now: UnixMillis) -> RowResult<()> {
    let Some(key) = row.collapse_key.as_deref() else { return Ok(()) };
    // Newer messages that failed, expired or were cancelled do not count.
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
