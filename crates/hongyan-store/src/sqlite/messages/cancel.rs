//! `cancel`, and what removing an app does to its messages.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageId, MessageState, ReasonCode};
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::super::rows::many;
use super::super::trouble::Res;
use super::turn::release_hold;
use super::wake::{pass_on, wake_next};
use super::{MessageRow, find, load, save};
use crate::types::Cancelled;

/// Carries out [`crate::Store::cancel`].
pub(in crate::sqlite) fn cancel(db: &Connection, id: MessageId, now: UnixMillis) -> Res<Cancelled> {
    let Some(row) = find(db, id)? else { return Ok(Cancelled::NotFound) };
    // Who may have it already cannot be told that it was withdrawn.
    if !row.state.is_cancellable() || row.maybe_delivered {
        return Ok(Cancelled::TooLate(row.state));
    }
    withdraw(db, row, now)?;
    Ok(Cancelled::Done)
}

fn withdraw(db: &Connection, mut row: MessageRow, now: UnixMillis) -> Res<()> {
    let was_ready = row.state == MessageState::Ready;
    if row.maybe_delivered {
        row.enter(MessageState::Unknown, Some(ReasonCode::NoAnswer), now);
    } else {
        release_hold(db, &mut row, now)?;
        row.enter(MessageState::Cancelled, Some(ReasonCode::Cancelled), now);
    }
    save(db, &row)?;
    if was_ready {
        pass_on(db, &row.user, now)?;
        wake_next(db, &row.user, now)?;
    }
    Ok(())
}

/// Withdraws every message of an app that was not sent; those that maybe went out become `unknown`.
pub(in crate::sqlite) fn cancel_app(db: &Connection, appid: &AppId, now: UnixMillis) -> Res<()> {
    for lane in Lane::all() {
        // The indexes are named, for left alone, SQLite walks all of the app's history by `messages_of_user`.
        let statements = [
            "SELECT id FROM messages INDEXED BY messages_waiting WHERE lane = ?1 AND appid = ?2 AND state = 2",
            "SELECT id FROM messages INDEXED BY messages_ready WHERE lane = ?1 AND appid = ?2 AND state = 1",
            // Every scheduled message has a timer, and only open messages have one.
            "SELECT id FROM messages INDEXED BY messages_due \
             WHERE lane = ?1 AND wake_at IS NOT NULL AND appid = ?2 AND state = 0",
        ];
        for statement in statements {
            let ids =
                many(db, statement, params![lane.number(), appid.as_str()], |cells| cells.message_id())?;
            for id in ids {
                // Read afresh: the one before may have set it going.
                let row = load(db, id)?;
                if row.state.is_cancellable() {
                    withdraw(db, row, now)?;
                }
            }
        }
    }
    Ok(())
}
