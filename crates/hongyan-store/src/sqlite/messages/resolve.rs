//! `resolve`: an operator's word on a message of unknown outcome.

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Verdict, resolve as decide};
use hongyan_ledger::settle::UnitEffect;
use hongyan_ledger::{MessageId, MessageState, ReasonCode};
use rusqlite::{Connection, params};

use super::super::memory::Writing;
use super::super::rows::{Cells, change, many};
use super::super::trouble::Res;
use super::super::{apps, permits};
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
    insert(tx, order.id, &row, order.verdict, now)?;
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
fn apply_unit(tx: &Writing<'_>, row: &mut MessageRow, effect: UnitEffect, now: UnixMillis) -> Res<()> {
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

fn insert(tx: &Writing<'_>, id: MessageId, row: &MessageRow, verdict: Verdict, now: UnixMillis) -> Res<()> {
    change(
        tx,
        "INSERT INTO resolutions (message_id, lane, attempt, verdict, resolved_at) VALUES (?, ?, ?, ?, ?)",
        params![id.as_bytes(), row.user.lane.number(), row.attempts, verdict.code(), now.0],
    )?;
    Ok(())
}

/// All that operators said of a message, first to last.
pub(super) fn resolutions(db: &Connection, row: &MessageRow) -> Res<Vec<ResolutionView>> {
    many(
        db,
        "SELECT attempt, verdict, resolved_at FROM resolutions WHERE message_id = ? AND lane = ? ORDER BY attempt",
        params![row.id.as_bytes(), row.user.lane.number()],
        |cells: &mut Cells<'_>| {
            Ok(ResolutionView {
                attempt: cells.raw()?,
                verdict: cells.coded(Verdict::from_code)?,
                at: cells.moment()?,
            })
        },
    )
}
