//! `resolve`: somebody's word on a message of unknown outcome.

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Verdict, Witness, resolve as decide};
use hongyan_ledger::settle::UnitEffect;
use hongyan_ledger::{MessageState, ReasonCode};
use rusqlite::{Connection, params};

use super::super::memory::Writing;
use super::super::rows::{Cells, change, many};
use super::super::trouble::Res;
use super::super::{apps, events, permits};
use super::collapse::give_way_after_doubt;
use super::turn::release_hold;
use super::{MessageRow, find, save};
use crate::types::{ResolutionView, ResolveOrder, Resolved};

/// Carries out [`crate::Store::resolve`].
pub(in crate::sqlite) fn resolve(tx: &Writing<'_>, order: &ResolveOrder) -> Res<Resolved> {
    let Some(mut row) = find(tx, order.id)? else { return Ok(Resolved::NotFound) };
    let is_unknown = row.state == MessageState::Unknown;
    if !is_unknown || order.attempt.is_some_and(|attempt| attempt != row.attempts) {
        let about = |earlier: &ResolutionView| order.attempt.is_none_or(|attempt| attempt == earlier.attempt);
        let earlier = resolutions(tx, &row)?.into_iter().rfind(about);
        return Ok(match earlier {
            Some(earlier) if earlier.verdict == order.verdict => {
                Resolved::Repeated { state: row.state, reason: row.reason }
            }
            _ if is_unknown => Resolved::AnotherAttempt(row.attempts),
            _ => Resolved::NotUnknown(row.state),
        });
    }

    let now = order.now;
    if order.witness == Witness::Silence && events::has_open(tx, &row.user)? {
        return Ok(Resolved::EventPending);
    }
    let resolution = decide(order.verdict, row.deadline, now);
    apply_unit(tx, &mut row, resolution.unit, now)?;
    row.maybe_delivered = false;
    row.enter(resolution.state, resolution.reason, now);
    if row.state == MessageState::Ready {
        // Its turn comes as everybody's does: not while another of its user is in flight, nor while its app rests.
        row.wake_at = Some(now);
        give_way_after_doubt(tx, &mut row, now)?;
        end_with_its_app(tx, &mut row, now)?;
    }
    save(tx, &mut row)?;
    insert(tx, &row, order.verdict, order.witness, now)?;
    Ok(Resolved::Done { state: row.state, reason: row.reason })
}

/// An app that was removed sends nothing any more: what was not sent is cancelled, as it was when the app was removed.
fn end_with_its_app(tx: &Writing<'_>, row: &mut MessageRow, now: UnixMillis) -> Res<()> {
    if row.state == MessageState::Ready && apps::gate(tx, &row.user.appid)?.is_none() {
        release_hold(tx, row, now)?;
        row.enter(MessageState::Cancelled, Some(ReasonCode::Cancelled), now);
    }
    Ok(())
}

/// What the verdict does to the unit that the message kept. One whose permit was revoked in doubt kept none, and
/// lets go of the permit's name: what is sent names the permit of which it spent a unit, what is open the one that
/// it holds.
pub(super) fn apply_unit(
    tx: &Writing<'_>,
    row: &mut MessageRow,
    effect: UnitEffect,
    now: UnixMillis,
) -> Res<()> {
    if !row.permit_held {
        row.attempt_permit = row.attempt_permit.or(row.permit.take());
        return Ok(());
    }
    match (effect, row.permit) {
        (UnitEffect::Spend, Some(id)) => {
            let mut permit = permits::load(tx, &row.user, id)?;
            permits::must(permit.units.settle(UnitEffect::Spend, true), &permit, "spend a held unit of")?;
            permits::save(tx, &row.user, &permit)?;
            row.permit_held = false;
            Ok(())
        }
        (UnitEffect::Release, _) => release_hold(tx, row, now),
        _ => Ok(()),
    }
}

/// Keeps what was found out of the last attempt, in the message's history.
pub(super) fn insert(
    tx: &Writing<'_>,
    row: &MessageRow,
    verdict: Verdict,
    witness: Witness,
    now: UnixMillis,
) -> Res<()> {
    change(
        tx,
        "INSERT INTO resolutions (message_id, lane, attempt, verdict, resolved_at, witness) VALUES (?, ?, ?, ?, ?, ?)",
        params![
            row.id.as_bytes(),
            row.user.lane.number(),
            row.attempts,
            verdict.code(),
            now.0,
            witness.code()
        ],
    )?;
    Ok(())
}

/// All that was found out about a message, first to last.
pub(super) fn resolutions(db: &Connection, row: &MessageRow) -> Res<Vec<ResolutionView>> {
    many(
        db,
        "SELECT attempt, verdict, resolved_at, witness FROM resolutions WHERE message_id = ? AND lane = ? ORDER BY attempt",
        params![row.id.as_bytes(), row.user.lane.number()],
        |cells: &mut Cells<'_>| {
            Ok(ResolutionView {
                attempt: cells.raw()?,
                verdict: cells.coded(Verdict::from_code)?,
                at: cells.moment()?,
                witness: cells.coded(Witness::from_code)?,
            })
        },
    )
}
