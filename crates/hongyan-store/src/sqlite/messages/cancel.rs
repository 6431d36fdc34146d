//! `cancel`, and what removing an app does to its messages.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageId, MessageState, ReasonCode};
use hongyan_wechat::AppId;
use rusqlite::params;

use super::super::memory::Writing;
use super::super::rows::many;
use super::super::trouble::Res;
use super::turn::release_hold;
use super::wake::{pass_on, wake_next};
use super::{MessageRow, find, load, save};
use crate::types::Cancelled;

/// Carries out [`crate::Store::cancel`].
pub(in crate::sqlite) fn cancel(tx: &Writing<'_>, id: MessageId, now: UnixMillis) -> Res<Cancelled> {
    let Some(row) = find(tx, id)? else { return Ok(Cancelled::NotFound) };
    // Who may have it already cannot be told that it was withdrawn.
    if !row.state.is_withdrawable(row.maybe_delivered) {
        return Ok(Cancelled::TooLate(row.state));
    }
    withdraw(tx, row, now)?;
    Ok(Cancelled::Done)
}

fn withdraw(tx: &Writing<'_>, mut row: MessageRow, now: UnixMillis) -> Res<()> {
    if row.maybe_delivered {
        end(tx, row, MessageState::Unknown, ReasonCode::NoAnswer, now)
    } else {
        release_hold(tx, &mut row, now)?;
        end(tx, row, MessageState::Cancelled, ReasonCode::Cancelled, now)
    }
}

/// Ends a message that is open and not in flight, and lets go on who waited behind it.
pub(super) fn end(
    tx: &Writing<'_>,
    mut row: MessageRow,
    state: MessageState,
    reason: ReasonCode,
    now: UnixMillis,
) -> Res<()> {
    let was_ready = row.state == MessageState::Ready;
    row.enter(state, Some(reason), now);
    save(tx, &mut row)?;
    if was_ready {
        pass_on(tx, &row.user, now)?;
        wake_next(tx, &row.user, now)?;
    }
    Ok(())
}

/// Withdraws every message of an app that was not sent; those that maybe went out become `unknown`.
pub(in crate::sqlite) fn cancel_app(tx: &Writing<'_>, appid: &AppId, now: UnixMillis) -> Res<()> {
    for lane in Lane::all() {
        // The indexes are named, for left alone, SQLite walks all of the app's history by `messages_of_user`.
        let statements = [
            "SELECT id FROM messages INDEXED BY messages_queued \
             WHERE lane = ?1 AND state = 2 AND state IN (1, 2) AND appid = ?2",
            "SELECT id FROM messages INDEXED BY messages_queued \
             WHERE lane = ?1 AND state = 1 AND state IN (1, 2) AND appid = ?2",
            // Every scheduled message has a timer, and only open messages have one.
            "SELECT id FROM messages INDEXED BY messages_due \
             WHERE lane = ?1 AND wake_at IS NOT NULL AND appid = ?2 AND state = 0",
        ];
        for statement in statements {
            let ids =
                many(tx, statement, params![lane.number(), appid.as_str()], |cells| cells.message_id())?;
            for id in ids {
                // Read afresh: the one before may have set it going.
                let row = load(tx, id)?;
                if row.state.is_cancellable() {
                    withdraw(tx, row, now)?;
                }
            }
        }
    }
    Ok(())
}
