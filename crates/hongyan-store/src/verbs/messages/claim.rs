//! `claim`: starts the due messages of a lane.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageState};

use super::super::lanes;
use super::next::wake_next;
use super::turn::{Turn, claimed, take_turn};
use super::write::save;
use crate::row_error::RowResult;
use crate::rows::Rows;
use crate::types::{ClaimBatch, Epoch};

/// How many messages one call looks at, at most, so that the backlog of a paused app does not hold the writer for long.
const fn looks(limit: u32) -> u32 {
    limit.saturating_mul(4).saturating_add(64)
}

/// Carries out [`crate::Store::claim`].
pub(crate) fn claim(
    rows: &impl Rows,
    lane: Lane,
    epoch: Epoch,
    now: UnixMillis,
    limit: u32,
) -> RowResult<Option<ClaimBatch>> {
    if !lanes::is_current(rows, lane, epoch)? {
        return Ok(None);
    }
    let mut batch = ClaimBatch::default();
    for _ in 0..looks(limit) {
        if batch.claimed.len() >= limit as usize {
            break;
        }
        // Read one message at a time: each may wake or release another.
        let Some(mut row) = rows.first_due(lane, now)? else { break };
        let from = row.state;
        match take_turn(rows, &mut row, true, now)? {
            Turn::Send(going) => {
                save(rows, &mut row)?;
                let (body, origin) = rows.body(&row)?;
                batch.claimed.push(claimed(&row, going, (body.into(), origin), epoch));
            }
            Turn::Later => {
                debug_assert!(
                    row.wake_at.is_none_or(|wake| wake > now),
                    "a timer in the past would make the lane due for ever"
                );
                save(rows, &mut row)?;
                if from == MessageState::Ready && row.state != MessageState::Ready {
                    wake_next(rows, &row.user, now)?;
                }
            }
            Turn::End(ended) => {
                save(rows, &mut row)?;
                batch.ended.push(ended);
                if from == MessageState::Ready {
                    wake_next(rows, &row.user, now)?;
                }
            }
        }
    }
    batch.next_wake = rows.next_wake(lane)?;
    Ok(Some(batch))
}
