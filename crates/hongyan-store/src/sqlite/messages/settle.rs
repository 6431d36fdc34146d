//! `settle`: an attempt's outcome, in one commit with everything that follows from it.

use hongyan_clock::UnixMillis;
use hongyan_ledger::retry::BACKOFF_BASE;
use hongyan_ledger::settle::{Next, UnitEffect};
use hongyan_ledger::{MessageState, PermitPolicy, ReasonCode};
use rusqlite::Connection;

use super::super::trouble::Res;
use super::super::{apps, permits};
use super::turn::{Gates, release_hold};
use super::wake::{hand_on, wake_waiting};
use super::{MessageRow, find, save};
use crate::types::{Settled, Settlement};

/// Carries out [`crate::Store::settle`].
pub(in crate::sqlite) fn settle(db: &Connection, settlements: &[Settlement]) -> Res<Vec<Settled>> {
    let mut gates = Gates::default();
    settlements.iter().map(|settlement| settle_one(db, settlement, &mut gates)).collect()
}

fn settle_one(db: &Connection, settlement: &Settlement, gates: &mut Gates) -> Res<Settled> {
    let in_flight = find(db, settlement.id)?
        .filter(|row| row.state == MessageState::Sending && row.attempts == settlement.attempt);
    let Some(mut row) = in_flight else {
        return Ok(Settled { state: None, reason: None, wake_at: None, next: None, ended: Vec::new() });
    };
    let (effects, now) = (&settlement.effects, settlement.ended_at);
    row.ended_at = Some(now);
    row.outcome = Some(settlement.outcome.clone());
    row.maybe_delivered = effects.maybe_delivered;
    let mut next = effects.next;
    if let Some(pause) = effects.app {
        let is_paused = apps::gate(db, &row.user.appid)?.is_some_and(|gate| gate.is_paused(now));
        if !is_paused && let Next::Retry { wake_at, .. } = &mut next {
            // Somebody has ended the pause already, or it could not be stored: nobody would wake what rests for it.
            *wake_at = Some(now.plus(BACKOFF_BASE));
        }
        gates.pause(&row.user.appid, pause.until);
    }

    let retries = matches!(effects.next, Next::Retry { .. });
    // A permit that came with the message stays its own while it rests.
    let unit = match effects.unit {
        UnitEffect::Release if row.own_permit && retries => UnitEffect::Hold,
        unit => unit,
    };
    apply_unit(db, &mut row, unit, now)?;
    apply_next(db, &mut row, next, now)?;
    save(db, &row)?;

    if row.state == MessageState::Failed
        && unit == UnitEffect::Release
        && let Some(id) = row.permit
    {
        wake_waiting(db, &row.user, &permits::load(db, &row.user, id)?, now)?;
    }
    let resting = retries.then_some(row.id);
    let mut handed = hand_on(db, &row.user, gates, resting, settlement.room, now)?;

    // With its permit replaced, the user's next message may be this one.
    let (mut state, mut reason, mut wake_at) = (row.state, row.reason, row.wake_at);
    if handed.next.as_ref().is_some_and(|next| next.id == row.id) {
        (state, reason, wake_at) = (MessageState::Sending, None, None);
    }
    if let Some(place) = handed.ended.iter().position(|ended| ended.id == row.id) {
        let own = handed.ended.remove(place);
        (state, reason, wake_at) = (own.state, own.reason, None);
    }
    Ok(Settled {
        state: Some(state),
        reason,
        wake_at: wake_at.into_iter().chain(handed.wake_at).min(),
        next: handed.next.map(Box::new),
        ended: handed.ended,
    })
}

/// What the outcome does to the unit that the attempt named.
fn apply_unit(db: &Connection, row: &mut MessageRow, effect: UnitEffect, now: UnixMillis) -> Res<()> {
    let Some(id) = row.permit else { return Ok(()) };
    let nothing_stored = match effect {
        UnitEffect::Release => !row.permit_held,
        UnitEffect::Hold => row.permit_held,
        UnitEffect::Spend | UnitEffect::Revoke => false,
    };
    if nothing_stored {
        return Ok(());
    }
    if effect == UnitEffect::Release {
        release_hold(db, row, now)?;
        row.permit = Some(id);
        return Ok(());
    }
    let mut permit = permits::load(db, &row.user, id)?;
    match effect {
        UnitEffect::Spend => {
            permits::must(permit.units.spend(row.permit_held), &permit, "spend a unit of")?;
        }
        UnitEffect::Revoke => {
            permit.units.revoke_rest(row.permit_held);
        }
        UnitEffect::Hold | UnitEffect::Release => {
            permits::must(permit.units.hold(), &permit, "hold a unit of")?;
        }
    }
    row.permit_held = effect == UnitEffect::Hold;
    permits::save(db, &row.user, &permit)
}

/// What the outcome makes of the message.
fn apply_next(db: &Connection, row: &mut MessageRow, next: Next, now: UnixMillis) -> Res<()> {
    match next {
        Next::Sent => row.enter(MessageState::Sent, None, now),
        Next::Failed(reason) => row.enter(MessageState::Failed, Some(reason), now),
        Next::Unknown => row.enter(MessageState::Unknown, Some(ReasonCode::NoAnswer), now),
        Next::Retry { wake_at, reason } => {
            row.enter(MessageState::Ready, Some(reason), now);
            row.wake_at = wake_at.into_iter().chain(row.deadline).min();
            if !row.permit_held {
                row.attempt_permit = row.permit.take();
            }
        }
        Next::Replace => {
            row.attempt_permit = row.permit.take();
            let another = !row.own_permit && permits::choose_for(db, row, now)?.is_some();
            if another {
                row.enter(MessageState::Ready, None, now);
                row.wake_at = Some(now);
            } else if row.policy == PermitPolicy::Wait && !row.own_permit {
                row.enter(MessageState::Waiting, Some(ReasonCode::NoPermit), now);
                row.wake_at = row.deadline;
            } else {
                row.enter(MessageState::Failed, Some(ReasonCode::NoPermit), now);
            }
        }
    }
    Ok(())
}
