//! Writes a message, and says the signals that follow from it.

use hongyan_ledger::{MessageId, MessageState};

use super::super::{outbox, tallies};
use crate::row_error::{RowError, RowResult};
use crate::rows::{MessageRow, Rows};
use crate::signals::Moved;
use crate::types::{CallerNumber, Idempotency, Origin};

/// One message that must exist.
pub(super) fn load(rows: &impl Rows, id: MessageId) -> RowResult<MessageRow> {
    rows.message(id)?
        .ok_or_else(|| RowError::corrupt(format!("{id} is named by another row but does not exist")))
}

/// Writes a new message, and says the signals that follow from it.
pub(super) fn insert(
    rows: &impl Rows,
    row: &mut MessageRow,
    key: Option<&Idempotency>,
    accepted_by: Option<CallerNumber>,
    origin: &Origin,
    body: &[u8],
) -> RowResult<()> {
    rows.insert_message(row, key, accepted_by, origin, body)?;
    tallies::accepted(rows, row);
    written(rows, row)
}

/// Writes all columns of a message that may change, and says the signals that follow from it.
pub(super) fn save(rows: &impl Rows, row: &mut MessageRow) -> RowResult<()> {
    debug_assert!(
        row.state == MessageState::Sending || !is_open(row.state) || row.permit.is_some() == row.permit_held,
        "{}: an open message names a permit only if it holds one",
        row.id
    );
    rows.update_message(row)?;
    written(rows, row)
}

/// The row is written as it is: says its signals, and writes its webhook event.
fn written(rows: &impl Rows, row: &mut MessageRow) -> RowResult<()> {
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
            tallies::moved(rows, row, before.map(|(state, _)| state));
            outbox::message_moved(rows, row)?;
        }
    }
    Ok(())
}

const fn is_open(state: MessageState) -> bool {
    state.is_cancellable() || matches!(state, MessageState::Sending)
}
