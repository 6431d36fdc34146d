//! Who owns a lane.
//!
//! One process has the file for itself while it serves (a lock sees to that, outside of here), so whoever asks for a
//! lane gets it. The epoch is for what that process itself has still under way from before it lost the lane.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use rusqlite::params;

use super::memory::Writing;
use super::messages::{read, wake};
use super::rows::{change, many, one};
use super::trouble::{Res, Trouble};
use crate::types::Acquired;

pub(super) use crate::types::Epoch;

/// The most open messages of a lane that are counted when it is acquired; of more, nothing is known. A bound for the
/// time that the writer is held.
const MAX_COUNTED: u32 = 20_000;

/// Carries out [`crate::Store::acquire`].
pub(super) fn acquire(tx: &Writing<'_>, lane: Lane, node: &str, now: UnixMillis) -> Res<Acquired> {
    let epoch = change_hands(tx, lane, Some(node))?;
    let open = many(
        tx,
        // Index by index, for each is all that must be read.
        "SELECT user FROM messages INDEXED BY messages_queued \
         WHERE lane = ?1 AND state = 1 AND state IN (1, 2) UNION ALL \
         SELECT user FROM messages INDEXED BY messages_sending WHERE lane = ?1 AND state = 3 LIMIT ?2",
        params![lane.number(), MAX_COUNTED + 1],
        |cells| cells.raw::<i64>(),
    )?;
    if open.len() <= MAX_COUNTED as usize {
        tx.memory.open.learn(lane, open.into_iter().map(i64::cast_unsigned));
    }
    Ok(Acquired {
        epoch,
        sending: read::sending(tx, lane, epoch)?,
        next_wake: wake::mend_timers(tx, lane, now)?,
    })
}

/// Carries out [`crate::Store::release`].
pub(super) fn release(tx: &Writing<'_>, lane: Lane, epoch: Epoch) -> Res<bool> {
    if !is_current(tx, lane, epoch)? {
        return Ok(false);
    }
    change_hands(tx, lane, None)?;
    Ok(true)
}

/// Whether a node that acquired the lane under this epoch has it still.
pub(super) fn is_current(tx: &Writing<'_>, lane: Lane, epoch: Epoch) -> Res<bool> {
    Ok(tx.memory.epoch(lane, || stored(tx, lane))? == epoch)
}

fn change_hands(tx: &Writing<'_>, lane: Lane, node: Option<&str>) -> Res<Epoch> {
    let Epoch(before) = stored(tx, lane)?;
    let epoch = Epoch(before + 1);
    change(
        tx,
        "UPDATE lanes SET epoch = ?2, node = ?3 WHERE lane = ?1",
        params![lane.number(), epoch.0.cast_signed(), node],
    )?;
    tx.memory.forget_epochs();
    tx.memory.open.forget(lane);
    Ok(epoch)
}

fn stored(tx: &Writing<'_>, lane: Lane) -> Res<Epoch> {
    one(tx, "SELECT epoch FROM lanes WHERE lane = ?", [lane.number()], |cells| cells.count().map(Epoch))?
        .ok_or_else(|| Trouble::corrupt(format!("there is no lane {lane}")))
}
