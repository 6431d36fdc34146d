//! `claim`: what is due in a lane.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageState};
use rusqlite::{Connection, params};

use super::super::lanes;
use super::super::memory::Writing;
use super::super::rows::one;
use super::super::trouble::Res;
use super::turn::{Gates, Turn, claimed, take_turn};
use super::wake::wake_next;
use super::{MessageRow, body, columns, save};
use crate::types::{ClaimBatch, Epoch};

/// How many messages one call looks at, at most, so that a backlog of a paused app cannot hold the writer for long.
const fn looks(limit: u32) -> u32 {
    limit.saturating_mul(4).saturating_add(64)
}

/// Carries out [`crate::Store::claim`].
pub(in crate::sqlite) fn claim(
    tx: &Writing<'_>,
    lane: Lane,
    epoch: Epoch,
    now: UnixMillis,
    limit: u32,
) -> Res<Option<ClaimBatch>> {
    if !lanes::is_current(tx, lane, epoch)? {
        return Ok(None);
    }
    let mut batch = ClaimBatch::default();
    let gates = Gates::default();
    for _ in 0..looks(limit) {
        if batch.claimed.len() >= limit as usize {
            break;
        }
        // One at a time: each may wake or release another.
        let Some(mut row) = first_due(tx, lane, now)? else { break };
        let from = row.state;
        match take_turn(tx, &mut row, &gates, true, now)? {
            Turn::Send(going) => {
                save(tx, &mut row)?;
                let body = body(tx, &row)?;
                batch.claimed.push(claimed(&row, going, body.into(), epoch));
            }
            Turn::Later => {
                debug_assert!(row.wake_at.is_none_or(|wake| wake > now), "it would be due for ever");
                save(tx, &mut row)?;
                if from == MessageState::Ready && row.state != MessageState::Ready {
                    wake_next(tx, &row.user, now)?;
                }
            }
            Turn::End(ended) => {
                save(tx, &mut row)?;
                batch.ended.push(ended);
                if from == MessageState::Ready {
                    wake_next(tx, &row.user, now)?;
                }
            }
        }
    }
    batch.next_wake = next_wake(tx, lane)?;
    Ok(Some(batch))
}

fn first_due(db: &Connection, lane: Lane, now: UnixMillis) -> Res<Option<MessageRow>> {
    one(
        db,
        concat!(
            "SELECT ",
            columns!(),
            " FROM messages WHERE lane = ? AND wake_at <= ? ORDER BY wake_at, send_at, id LIMIT 1"
        ),
        params![lane.number(), now.0],
        MessageRow::read,
    )
}

/// When a lane's next timer rings.
pub(super) fn next_wake(db: &Connection, lane: Lane) -> Res<Option<UnixMillis>> {
    one(
        db,
        "SELECT wake_at FROM messages WHERE lane = ? AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1",
        params![lane.number()],
        |cells| cells.moment(),
    )
}
