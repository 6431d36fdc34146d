//! The verbs about messages.
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
//!
//! Two things always hold between transactions. A message that is open but not `sending` names a permit only if it
//! holds one of its units. And a ready message without a timer (or with none but its deadline) is *parked*: an
//! event will wake it, in the transaction that makes the event true.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState};

use super::outbox;
use crate::rows::{MessageRow, Rows};
use crate::signals::Moved;
use crate::trouble::{Res, Trouble};
use crate::types::Idempotency;

pub(crate) mod accept;
pub(crate) mod cancel;
pub(crate) mod claim;
mod collapse;
pub(crate) mod deliver;
pub(crate) mod resolve;
pub(crate) mod settle;
mod turn;
pub(crate) mod wake;

pub(crate) use turn::left_behind;

/// One message that must be there.
fn load(rows: &impl Rows, id: MessageId) -> Res<MessageRow> {
    rows.message(id)?.ok_or_else(|| Trouble::corrupt(format!("{id} is named but not there")))
}

/// Writes a new message, and says what follows from it.
fn insert(rows: &impl Rows, row: &mut MessageRow, key: Option<&Idempotency>, body: &[u8]) -> Res<()> {
    rows.insert_message(row, key, body)?;
    written(rows, row)
}

/// Writes what may have changed of a message, and says what follows from it.
fn save(rows: &impl Rows, row: &mut MessageRow) -> Res<()> {
    debug_assert!(
        row.state == MessageState::Sending || !is_open(row.state) || row.permit.is_some() == row.permit_held,
        "{}: an open message names a permit only if it holds one",
        row.id
    );
    rows.update_message(row)?;
    written(rows, row)
}

/// The row stands in the database as it is: whoever listens or waits is told.
fn written(rows: &impl Rows, row: &mut MessageRow) -> Res<()> {
    let before = row.stored.replace((row.state, row.reason));
    let mut signals = rows.signals();
    if let Some(at) = row.wake_at {
        signals.wake(row.user.lane, row.state, at);
    }
    if before != row.stored {
        let is_new_state = before.is_none_or(|(state, _)| state != row.state);
        signals.moved(Moved {
            id: row.id,
            state: row.state,
            reason: row.reason,
            is_new_state,
            is_parked: row.state == MessageState::Ready && row.is_parked(),
        });
        drop(signals);
        if is_new_state {
            outbox::message_moved(rows, row)?;
        }
    }
    Ok(())
}

const fn is_open(state: MessageState) -> bool {
    state.is_cancellable() || matches!(state, MessageState::Sending)
}

/// Tells of all messages that a restore holds back since `now`, in the order of their acceptance. It has written their
/// states itself.
pub(crate) fn tell_restored(rows: &impl Rows, now: UnixMillis) -> Res<()> {
    /// Read in one go.
    const PAGE: u32 = 1_000;
    let mut after = MessageId::from_bytes([0; 16]);
    loop {
        let page = rows.restored(after, now, PAGE)?;
        if page.is_empty() {
            return Ok(());
        }
        for row in page {
            after = row.id;
            outbox::message_moved(rows, &row)?;
        }
    }
}
