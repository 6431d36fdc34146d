//! Who owns a lane.
//!
//! One process has the database for itself while it serves (a lock sees to that, outside of here), so whoever asks for a
//! lane gets it. The epoch is for what that process itself has still under way from before it lost the lane.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;

use super::messages::turn::left_behind;
use super::messages::wake;
use crate::rows::Rows;
use crate::trouble::Res;
use crate::types::{Acquired, Epoch};

/// Carries out [`crate::Store::acquire`].
pub(crate) fn acquire(rows: &impl Rows, lane: Lane, node: &str, now: UnixMillis) -> Res<Acquired> {
    let epoch = change_hands(rows, lane, Some(node))?;
    let sending = rows.sending(lane)?.into_iter().map(|row| {
        let permit = row.permit.map(|id| rows.present_permit(&row.user, id)).transpose()?;
        Ok(left_behind(&row, permit, rows.body(&row)?.into(), epoch))
    });
    Ok(Acquired {
        epoch,
        sending: sending.collect::<Res<_>>()?,
        next_wake: wake::mend_timers(rows, lane, now)?,
    })
}

/// Carries out [`crate::Store::release`].
pub(crate) fn release(rows: &impl Rows, lane: Lane, epoch: Epoch) -> Res<bool> {
    if !is_current(rows, lane, epoch)? {
        return Ok(false);
    }
    change_hands(rows, lane, None)?;
    Ok(true)
}

/// Whether a node that acquired the lane under this epoch has it still.
pub(crate) fn is_current(rows: &impl Rows, lane: Lane, epoch: Epoch) -> Res<bool> {
    Ok(rows.epoch(lane)? == epoch)
}

fn change_hands(rows: &impl Rows, lane: Lane, node: Option<&str>) -> Res<Epoch> {
    let Epoch(before) = rows.epoch(lane)?;
    let epoch = Epoch(before + 1);
    rows.set_owner(lane, epoch, node)?;
    Ok(epoch)
}
