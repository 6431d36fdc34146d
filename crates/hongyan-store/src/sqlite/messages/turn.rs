//! A message's turn: its moment has come, and the ledger decides what becomes of it.

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::start::{AppGate, Candidate, Start, start};
use hongyan_ledger::{MessageState, Permit, PermitPolicy};
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::super::rows::{change, one, outcome_code};
use super::super::trouble::Res;
use super::super::{apps, permits};
use super::MessageRow;
use super::wake::wake_waiting;
use crate::types::{Claimed, ClaimedPermit, Ended};

/// The gates of the apps that a verb comes across, each read once.
#[derive(Default)]
pub(super) struct Gates {
    known: HashMap<AppId, AppGate>,
}

impl Gates {
    /// What an app's gate is. An app that is not there (any more) sends nothing until it is.
    pub(super) fn of(&mut self, db: &Connection, appid: &AppId) -> Res<AppGate> {
        if let Some(&gate) = self.known.get(appid) {
            return Ok(gate);
        }
        let gate = apps::gate(db, appid)?.unwrap_or(AppGate::Paused { until: None });
        self.known.insert(appid.clone(), gate);
        Ok(gate)
    }

    /// Takes an app for paused, for this verb: an outcome says that it must rest, and the pause is about to be
    /// stored.
    pub(super) fn pause(&mut self, appid: &AppId, until: Option<UnixMillis>) {
        self.known.insert(appid.clone(), AppGate::Paused { until });
    }
}

/// What became of a message at its turn. The row says the same, but is not written yet.
pub(super) enum Turn {
    /// It is `sending`, with this permit.
    Send(Option<Permit>),
    /// It is `scheduled`, `ready` or `waiting`.
    Later,
    /// It has ended.
    End(Ended),
}

/// Lets the ledger decide about a message and does to the row and to its permit what it decided. The caller writes
/// the row.
pub(super) fn take_turn(
    db: &Connection,
    row: &mut MessageRow,
    gates: &mut Gates,
    room: bool,
    now: UnixMillis,
) -> Res<Turn> {
    let permit = pick_permit(db, row, now)?;
    // What was due once stays due. `now` may lie before that: an outcome brings the moment when it was known, and a
    // clock can be set back.
    let is_due = row.state != MessageState::Scheduled;
    let candidate = Candidate {
        send_at: if is_due { row.send_at.min(now) } else { row.send_at },
        deadline: row.deadline,
        // Nothing can bring a second one of a permit that came with its message.
        policy: if row.own_permit { PermitPolicy::Require } else { row.policy },
        maybe_delivered: row.maybe_delivered,
        gate: gates.of(db, &row.user.appid)?,
        user_busy: is_behind_another(db, row)?,
        permit: permit.as_ref().map(|permit| permit.id),
    };
    Ok(match start(&candidate, room, now) {
        Start::Send { permit: chosen } => {
            debug_assert_eq!(chosen, candidate.permit, "start sends with the candidate's permit");
            archive_attempt(db, row)?;
            if row.permit != chosen {
                release_hold(db, row, now)?;
                row.permit = chosen;
            }
            row.enter(MessageState::Sending, None, now);
            row.attempts += 1;
            row.claimed_at = Some(now);
            Turn::Send(permit)
        }
        Start::Later { state, wake_at, reason } => {
            if state == MessageState::Waiting {
                // The unit that it held has expired; it waits for another.
                release_hold(db, row, now)?;
            }
            row.enter(state, reason, now);
            row.wake_at = wake_at;
            Turn::Later
        }
        Start::End { state, reason } => {
            // Of an unknown outcome the unit stays kept: it may be gone.
            if state != MessageState::Unknown {
                release_hold(db, row, now)?;
            }
            row.enter(state, Some(reason), now);
            let errcode = row.outcome.as_ref().and_then(hongyan_ledger::settle::Outcome::errcode);
            Turn::End(Ended { id: row.id, state, reason: Some(reason), errcode })
        }
    })
}

/// The permit that a message would use: the one that it holds, else the best of its user's.
fn pick_permit(db: &Connection, row: &MessageRow, now: UnixMillis) -> Res<Option<Permit>> {
    if let Some(id) = row.permit {
        let named = permits::load(db, &row.user, id)?;
        // A message that maybe went out is repeated with the very same code, alive or dead: only WeChat's answer
        // to that tells whether it arrived.
        if row.maybe_delivered || still_serves(&named, row, now) {
            return Ok(Some(named));
        }
    }
    if row.own_permit { Ok(None) } else { permits::choose_for(db, row, now) }
}

/// Whether a permit serves a message that may already hold a unit of it.
fn still_serves(permit: &Permit, row: &MessageRow, now: UnixMillis) -> bool {
    let mut as_if_free = permit.clone();
    (!row.permit_held || as_if_free.units.release()) && as_if_free.serves(row.channel, &row.template, now)
}

/// Whether another message of the user is in flight, or is ready and ahead of this one.
fn is_behind_another(db: &Connection, row: &MessageRow) -> Res<bool> {
    let busy = one(
        db,
        "SELECT EXISTS (SELECT 1 FROM messages WHERE lane = ?1 AND appid = ?2 AND openid = ?3 AND state = 3) \
         OR EXISTS (SELECT 1 FROM messages WHERE lane = ?1 AND appid = ?2 AND openid = ?3 AND state = 1 \
         AND (send_at, id) < (?4, ?5))",
        params![
            row.user.lane.number(),
            row.user.appid.as_str(),
            row.user.openid.as_str(),
            row.send_at.0,
            row.id.as_bytes()
        ],
        |cells| cells.raw(),
    )?;
    Ok(busy.unwrap_or(false))
}

/// Gives back the unit that a message holds, if it holds one, and sets going who waits for it.
pub(super) fn release_hold(db: &Connection, row: &mut MessageRow, now: UnixMillis) -> Res<()> {
    let Some(id) = row.permit.filter(|_| row.permit_held) else { return Ok(()) };
    let mut permit = permits::load(db, &row.user, id)?;
    permits::must(permit.units.release(), &permit, "release a held unit of")?;
    permits::save(db, &row.user, &permit)?;
    if row.attempts > 0 {
        row.attempt_permit.get_or_insert(id);
    }
    row.permit = None;
    row.permit_held = false;
    wake_waiting(db, &row.user, &permit, now)?;
    Ok(())
}

/// Moves the finished last attempt out of the row: another one begins.
fn archive_attempt(db: &Connection, row: &mut MessageRow) -> Res<()> {
    let Some(last) = row.last_attempt() else { return Ok(()) };
    change(
        db,
        "INSERT INTO attempts (message_id, lane, number, started_at, ended_at, permit_id, outcome, errcode, \
         outcome_text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            row.id.as_bytes(),
            row.user.lane.number(),
            last.number,
            last.started_at.0,
            last.ended_at.map(|at| at.0),
            last.permit.as_ref().map(hongyan_ledger::PermitId::as_bytes),
            last.outcome.as_ref().map(outcome_code),
            last.outcome.as_ref().and_then(|outcome| outcome.errcode().map(|code| code.0)),
            last.outcome.as_ref().map(hongyan_ledger::settle::Outcome::text),
        ],
    )?;
    row.claimed_at = None;
    row.ended_at = None;
    row.attempt_permit = None;
    row.outcome = None;
    Ok(())
}

/// A message that is `sending`, as dispatch needs it.
pub(super) fn claimed(row: &MessageRow, permit: Option<Permit>, body: Arc<[u8]>) -> Claimed {
    Claimed {
        id: row.id,
        appid: row.user.appid.clone(),
        openid: row.user.openid.clone(),
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
    }
}
