//! A message's turn: its moment has come, and the ledger decides what becomes of it.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::gate::AppGate;
use hongyan_ledger::start::{Candidate, Start, start};
use hongyan_ledger::{MessageState, Permit, PermitPolicy, Units};
use hongyan_wechat::AppId;

use super::super::permits;
use super::wake::{pass_on, wake_waiting};
use crate::row_error::RowResult;
use crate::rows::{MessageRow, Rows};
use crate::types::{Claimed, ClaimedPermit, Ended, Epoch, Origin};

/// An app's gate. An app that does not exist (any more) sends nothing.
fn gate(rows: &impl Rows, appid: &AppId) -> RowResult<AppGate> {
    Ok(rows.gate(appid)?.unwrap_or(AppGate::Paused { until: None }))
}

/// Notes that a message goes out. Returns whether it is a probe; then the gate is closed behind it, in the same transaction.
fn pass(rows: &impl Rows, gate: AppGate, appid: &AppId, now: UnixMillis) -> RowResult<bool> {
    let Some(AppGate::Broken { probe_at }) = gate.behind_a_probe(now) else { return Ok(false) };
    // No signal for this change: the gate only says that a probe is under way. The probe's outcome changes the app, and that
    // sends a signal.
    rows.set_probe_at(appid, probe_at)?;
    Ok(true)
}

/// What a message goes out with.
pub(super) struct Going {
    permit: Option<Permit>,
    /// The app's breaker is open; this message finds out whether WeChat answers again.
    is_probe: bool,
}

/// What became of a message at its turn. The row says the same, but is not written yet.
pub(super) enum Turn {
    /// The message is `sending`.
    Send(Going),
    /// The message is `scheduled`, `ready` or `waiting`.
    Later,
    /// The message has ended.
    End(Ended),
}

/// Lets the ledger decide about a message, and changes the row and its permit accordingly. The caller writes the row.
pub(super) fn take_turn(
    rows: &impl Rows,
    row: &mut MessageRow,
    room: bool,
    now: UnixMillis,
) -> RowResult<Turn> {
    let mut permit = pick_permit(rows, row, now)?;
    let candidate = Candidate {
        // Only a `scheduled` message may wait for its `send_at`. `now` can be before `send_at` although the message was due
        // already: an outcome that was stored late (the disk was full) counts at the time at which it came, and a clock may
        // be set back. Such a message must not become `scheduled` again.
        send_at: if row.state == MessageState::Scheduled { row.send_at } else { row.send_at.min(now) },
        deadline: row.deadline,
        // A permit that came with its message cannot be granted a second time, so waiting for it is useless.
        policy: if row.own_permit { PermitPolicy::Require } else { row.policy },
        maybe_delivered: row.maybe_delivered,
        gate: gate(rows, &row.user.appid)?,
        user_busy: rows.is_behind_another(row)?,
        permit: permit.as_ref().map(|permit| permit.id),
    };
    Ok(match start(&candidate, room, now) {
        Start::Send { permit: chosen } => {
            debug_assert_eq!(chosen, candidate.permit, "start sends with the candidate's permit");
            archive_attempt(rows, row)?;
            if row.permit != chosen {
                release_hold(rows, row, now)?;
                row.permit = chosen;
            }
            if let Some(permit) = permit.as_mut().filter(|_| !row.permit_held) {
                permits::must(permit.units.spend(), permit, "spend a unit of")?;
                rows.update_permit(&row.user, permit)?;
            }
            row.enter(MessageState::Sending, None, now);
            row.attempts += 1;
            row.claimed_at = Some(now);
            Turn::Send(Going { permit, is_probe: pass(rows, candidate.gate, &row.user.appid, now)? })
        }
        Start::Later { state, wake_at, reason } => {
            if state == MessageState::Waiting {
                // The unit that it held has expired; the message waits for another permit.
                release_hold(rows, row, now)?;
            }
            row.enter(state, reason, now);
            row.wake_at = wake_at;
            Turn::Later
        }
        Start::End { state, reason } => {
            // If the outcome is unknown the unit stays kept: it may be spent.
            if state != MessageState::Unknown {
                release_hold(rows, row, now)?;
            }
            if row.state == MessageState::Ready {
                pass_on(rows, &row.user, now)?;
            }
            row.enter(state, Some(reason), now);
            let errcode = row.outcome.as_ref().and_then(hongyan_ledger::settle::Outcome::errcode);
            Turn::End(Ended { id: row.id, state, reason: Some(reason), errcode })
        }
    })
}

/// The permit that a message would use: the permit that it holds, else the best permit of its user.
fn pick_permit(rows: &impl Rows, row: &MessageRow, now: UnixMillis) -> RowResult<Option<Permit>> {
    if let Some(id) = row.permit {
        let named = rows.present_permit(&row.user, id)?;
        // A message that may have gone out is repeated with the very same code, even if the permit is dead: only WeChat's
        // answer to this code tells whether the first copy arrived.
        if row.maybe_delivered || still_serves(&named, row, now) {
            return Ok(Some(named));
        }
    }
    if row.own_permit { Ok(None) } else { permits::choose_for(rows, row, now) }
}

/// Whether a permit serves a message that may already hold a unit of it.
fn still_serves(permit: &Permit, row: &MessageRow, now: UnixMillis) -> bool {
    let mut as_if_free = permit.clone();
    (!row.permit_held || as_if_free.units.release()) && as_if_free.serves(row.channel, &row.template, now)
}

/// Gives back the unit that a message holds, if it holds one, and wakes the messages that wait for a permit.
pub(super) fn release_hold(rows: &impl Rows, row: &mut MessageRow, now: UnixMillis) -> RowResult<()> {
    if let Some(permit) = give_back(rows, row)? {
        wake_waiting(rows, &row.user, &permit, now)?;
    }
    Ok(())
}

/// Gives back the unit that a message holds, if it holds one, and returns its permit. The caller wakes the messages that
/// wait for a permit.
pub(super) fn give_back(rows: &impl Rows, row: &mut MessageRow) -> RowResult<Option<Permit>> {
    let Some(id) = row.permit.filter(|_| row.permit_held) else { return Ok(None) };
    let permit = permits::change_units(rows, &row.user, id, "release a held unit of", Units::release)?;
    if row.attempts > 0 {
        row.attempt_permit.get_or_insert(id);
    }
    row.permit = None;
    row.permit_held = false;
    Ok(Some(permit))
}

/// Moves the last attempt from the row into the history: another attempt begins.
fn archive_attempt(rows: &impl Rows, row: &mut MessageRow) -> RowResult<()> {
    let Some(last) = row.last_attempt() else { return Ok(()) };
    rows.insert_attempt(row, &last)?;
    row.claimed_at = None;
    row.ended_at = None;
    row.attempt_permit = None;
    row.outcome = None;
    Ok(())
}

/// A message that is `sending`, as dispatch needs it. `content`: its body, and where it comes from.
pub(super) fn claimed(row: &MessageRow, going: Going, content: (Arc<[u8]>, Origin), epoch: Epoch) -> Claimed {
    let Going { permit, is_probe } = going;
    let (body, origin) = content;
    Claimed {
        id: row.id,
        appid: row.user.appid.clone(),
        openid: row.user.openid.clone(),
        template: row.template.clone(),
        due_at: row.send_at,
        channel: row.channel,
        body,
        attempt: row.attempts,
        claimed_at: row.claimed_at.unwrap_or(row.updated_at),
        permit: permit.map(|permit| ClaimedPermit {
            id: permit.id,
            kind: permit.kind,
            code: permit.code,
            granted: permit.units.granted,
            held: row.permit_held,
        }),
        on_unknown: row.on_unknown,
        maybe_delivered: row.maybe_delivered,
        epoch,
        is_probe,
        origin,
    }
}

/// A message that was `sending` when its process ended. The lane's next owner settles it.
pub(crate) fn left_behind(
    row: &MessageRow,
    permit: Option<Permit>,
    content: (Arc<[u8]>, Origin),
    epoch: Epoch,
) -> Claimed {
    claimed(row, Going { permit, is_probe: false }, content, epoch)
}
