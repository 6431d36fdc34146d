//! `resolve`: a verdict on a message of unknown outcome.

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Witness, resolve as decide};
use hongyan_ledger::units::UnitEffect;
use hongyan_ledger::{MessageState, ReasonCode};

use super::super::lanes::{Heard, heard};
use super::super::permits;
use super::collapse::give_way_after_doubt;
use super::turn::release_hold;
use super::write::save;
use crate::row_error::RowResult;
use crate::rows::{MessageRow, Rows};
use crate::types::{ResolutionView, ResolveOrder, Resolved};

/// Carries out [`crate::Store::resolve`].
pub(crate) fn resolve(rows: &impl Rows, order: &ResolveOrder) -> RowResult<Resolved> {
    let Some(mut row) = rows.message(order.id)? else { return Ok(Resolved::NotFound) };
    let is_unknown = row.state == MessageState::Unknown;
    if !is_unknown || order.attempt.is_some_and(|attempt| attempt != row.attempts) {
        let about = |earlier: &ResolutionView| order.attempt.is_none_or(|attempt| attempt == earlier.attempt);
        let earlier = rows.resolutions(&row)?.into_iter().rfind(about);
        return Ok(match earlier {
            Some(earlier) if earlier.verdict == order.verdict => {
                Resolved::Repeated { state: row.state, reason: row.reason }
            }
            _ if is_unknown => Resolved::AnotherAttempt(row.attempts),
            _ => Resolved::NotUnknown(row.state),
        });
    }

    let now = order.now;
    if order.witness == Witness::Silence {
        match order.listened.as_ref().map_or(Ok(Heard::MayHaveMissed), |listened| heard(rows, listened))? {
            Heard::All => {}
            Heard::MayHaveMissed => return Ok(Resolved::MayHaveMissed),
            Heard::NotKnownYet => return Ok(Resolved::EventPending),
        }
        if rows.has_open_event(&row.user)? {
            return Ok(Resolved::EventPending);
        }
    }
    let resolution = decide(order.verdict, row.deadline, now);
    apply_unit(rows, &mut row, resolution.unit, now)?;
    row.maybe_delivered = false;
    row.enter(resolution.state, resolution.reason, now);
    if row.state == MessageState::Ready {
        // Let the next claim decide, by a timer: another message of the user may be in flight, or the app may be paused.
        row.wake_at = Some(now);
        give_way_after_doubt(rows, &mut row, now)?;
        end_with_its_app(rows, &mut row, now)?;
    }
    save(rows, &mut row)?;
    rows.insert_resolution(&row, order.verdict, order.witness, now)?;
    Ok(Resolved::Done { state: row.state, reason: row.reason })
}

/// Cancels the message if its app was removed: a removed app sends nothing, and its other messages were cancelled with it.
fn end_with_its_app(rows: &impl Rows, row: &mut MessageRow, now: UnixMillis) -> RowResult<()> {
    if row.state == MessageState::Ready && rows.gate(&row.user.appid)?.is_none() {
        release_hold(rows, row, now)?;
        row.enter(MessageState::Cancelled, Some(ReasonCode::Cancelled), now);
    }
    Ok(())
}

/// Applies the verdict to the unit that the message kept. If the permit was revoked while the outcome was in doubt, the
/// message kept no unit, and its row stops naming the permit. (A sent message names the permit of which it spent a unit; an
/// open message names the permit of which it holds a unit.)
pub(super) fn apply_unit(
    rows: &impl Rows,
    row: &mut MessageRow,
    effect: UnitEffect,
    now: UnixMillis,
) -> RowResult<()> {
    if !row.permit_held {
        row.attempt_permit = row.attempt_permit.or(row.permit.take());
        return Ok(());
    }
    match (effect, row.permit) {
        (UnitEffect::Spend, Some(id)) => {
            permits::change_units(rows, &row.user, id, "spend a held unit of", |units| {
                units.settle(UnitEffect::Spend, true)
            })?;
            row.permit_held = false;
            Ok(())
        }
        (UnitEffect::Release, _) => release_hold(rows, row, now),
        _ => Ok(()),
    }
}
