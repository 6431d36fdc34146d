//! `resolve`: somebody's word on a message of unknown outcome.

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
        // Its turn comes as everybody's does: not while another of its user is in flight, nor while its app rests.
        row.wake_at = Some(now);
        give_way_after_doubt(rows, &mut row, now)?;
        end_with_its_app(rows, &mut row, now)?;
    }
    save(rows, &mut row)?;
    rows.insert_resolution(&row, order.verdict, order.witness, now)?;
    Ok(Resolved::Done { state: row.state, reason: row.reason })
}

/// An app that was removed sends nothing any more: what was not sent is cancelled, as it was when the app was removed.
fn end_with_its_app(rows: &impl Rows, row: &mut MessageRow, now: UnixMillis) -> RowResult<()> {
    if row.state == MessageState::Ready && rows.gate(&row.user.appid)?.is_none() {
        release_hold(rows, row, now)?;
        row.enter(MessageState::Cancelled, Some(ReasonCode::Cancelled), now);
    }
    Ok(())
}

/// What the verdict does to the unit that the message kept. One whose permit was revoked in doubt kept none, and
/// lets go of the permit's name: what is sent names the permit of which it spent a unit, what is open the one that
/// it holds.
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
