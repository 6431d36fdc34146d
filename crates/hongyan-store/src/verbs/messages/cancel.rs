//! `cancel`, and what removing an app does to its messages.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageId, MessageState, ReasonCode};
use hongyan_wechat::AppId;

use super::next::wake_next;
use super::turn::release_hold;
use super::wake::pass_on;
use super::write::{load, save};
use crate::row_error::RowResult;
use crate::rows::{MessageRow, Rows};
use crate::types::Cancelled;

/// Carries out [`crate::Store::cancel`].
pub(crate) fn cancel(rows: &impl Rows, id: MessageId, now: UnixMillis) -> RowResult<Cancelled> {
    let Some(row) = rows.message(id)? else { return Ok(Cancelled::NotFound) };
    // The user may have the message already, so it must not be reported as withdrawn.
    if !row.state.is_withdrawable(row.maybe_delivered) {
        return Ok(Cancelled::TooLate(row.state));
    }
    withdraw(rows, row, now)?;
    Ok(Cancelled::Done)
}

fn withdraw(rows: &impl Rows, mut row: MessageRow, now: UnixMillis) -> RowResult<()> {
    if row.maybe_delivered {
        end(rows, row, MessageState::Unknown, ReasonCode::NoAnswer, now)
    } else {
        release_hold(rows, &mut row, now)?;
        end(rows, row, MessageState::Cancelled, ReasonCode::Cancelled, now)
    }
}

/// Ends a message that is open and not in flight, and hands on to the user's next message, which may have waited behind it.
pub(super) fn end(
    rows: &impl Rows,
    mut row: MessageRow,
    state: MessageState,
    reason: ReasonCode,
    now: UnixMillis,
) -> RowResult<()> {
    let was_ready = row.state == MessageState::Ready;
    row.enter(state, Some(reason), now);
    save(rows, &mut row)?;
    if was_ready {
        pass_on(rows, &row.user, now)?;
        wake_next(rows, &row.user, now)?;
    }
    Ok(())
}

/// Cancels every message of an app that was not sent. Messages that may have gone out become `unknown`.
pub(crate) fn cancel_app(rows: &impl Rows, appid: &AppId, now: UnixMillis) -> RowResult<()> {
    for lane in Lane::all() {
        for state in [MessageState::Waiting, MessageState::Ready, MessageState::Scheduled] {
            for id in rows.of_app_in(lane, appid, state)? {
                // Read the row again: ending the previous message may have changed it.
                let row = load(rows, id)?;
                if row.state.is_cancellable() {
                    withdraw(rows, row, now)?;
                }
            }
        }
    }
    Ok(())
}
