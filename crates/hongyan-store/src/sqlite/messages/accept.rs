//! `accept`: where a message's life begins.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageState, ReasonCode};
use rusqlite::{Connection, params};

use super::super::memory::Writing;
use super::super::rows::{Cells, one};
use super::super::trouble::{Res, Trouble};
use super::super::{lanes, permits};
use super::collapse::{Replaced, correct, replace_older, superseded};
use super::turn::{Gates, Turn, claimed, take_turn};
use super::wake::wake_waiting;
use super::{MessageRow, User, insert};
use crate::types::{Accepted, Claimed, Epoch, Idempotency, NewMessage, NewPermit};

/// Carries out [`crate::Store::accept`].
pub(in crate::sqlite) fn accept(tx: &Writing<'_>, messages: &[NewMessage]) -> Res<Vec<Accepted>> {
    let gates = Gates::default();
    let superseded = if messages.len() > 1 { superseded(messages) } else { Vec::new() };
    let mut answers = Vec::with_capacity(messages.len());
    for (place, new) in messages.iter().enumerate() {
        let start = new.start.filter(|_| !superseded.get(place).is_some_and(|&superseded| superseded));
        let mut answer = accept_one(tx, new, start, &gates)?;
        if let Accepted::New { replaced, .. } = &mut answer
            && !replaced.is_empty()
        {
            correct(&mut answers, messages, replaced);
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn accept_one(tx: &Writing<'_>, new: &NewMessage, start: Option<Epoch>, gates: &Gates) -> Res<Accepted> {
    let user = User::of(&new.appid, &new.openid);
    if new.id.lane() != Some(user.lane) {
        return Err(Trouble::corrupt(format!("{} was not made for lane {} of its user", new.id, user.lane)));
    }
    if let Some(key) = &new.idempotency
        && let Some(earlier) = find_key(tx, &user, key)?
    {
        return Ok(earlier);
    }

    let now = new.accepted_at;
    let mut row = first_row(new, user);
    let replaced = match &new.collapse_key {
        Some(key) => replace_older(tx, &row.user, key, new.id, now)?,
        None => Replaced::default(),
    };
    if let Some(own) = &new.own_permit {
        let (permit, _duplicate) = permits::grant_one(tx, &row.user, own, now)?;
        row.permit = Some(permit.id);
    }
    let mut in_flight: Option<Claimed> = None;
    let epoch = match start {
        Some(epoch) if lanes::is_current(tx, row.user.lane, epoch)? => Some(epoch),
        _ => None,
    };
    match take_turn(tx, &mut row, gates, epoch.is_some(), now)? {
        Turn::Send(going) => {
            in_flight = epoch.map(|epoch| claimed(&row, going, new.body.clone(), epoch));
        }
        Turn::Later => hold_if_wanted(tx, &mut row, new, now)?,
        Turn::End(_) => row.permit = None,
    }
    insert(tx, &mut row, new.idempotency.as_ref(), &new.body)?;
    if let Some(own) = &new.own_permit {
        share_the_rest(tx, &row.user, own, now)?;
    }
    replaced.share(tx, &row.user, now)?;
    Ok(Accepted::New {
        state: row.state,
        reason: row.reason,
        claimed: in_flight.map(Box::new),
        wake_at: row.wake_at,
        replaced: replaced.ended,
    })
}

/// A message as it is before anything was decided.
fn first_row(new: &NewMessage, user: User) -> MessageRow {
    MessageRow {
        id: new.id,
        user,
        template: new.template.clone(),
        channel: new.channel,
        policy: new.policy,
        on_unknown: new.on_unknown,
        own_permit: new.own_permit.is_some(),
        reference: new.reference.clone(),
        accepted_at: new.accepted_at,
        // A time in the past means now; so a user's messages for now keep the order of their acceptance.
        send_at: new.send_at.max(new.accepted_at),
        deadline: new.deadline,
        state: MessageState::Scheduled,
        stored: None,
        reason: None,
        wake_at: None,
        updated_at: new.accepted_at,
        permit: None,
        permit_held: false,
        maybe_delivered: false,
        attempts: 0,
        claimed_at: None,
        ended_at: None,
        attempt_permit: None,
        outcome: None,
        collapse_key: new.collapse_key.clone(),
        replaced_by: None,
    }
}

/// The answer for the message that has this key, if there is one. If there is none, the key will be that of the new
/// message; nobody can come between, for there is one writer.
fn find_key(db: &Connection, user: &User, key: &Idempotency) -> Res<Option<Accepted>> {
    one(
        db,
        "SELECT id, fingerprint, state, reason FROM messages INDEXED BY messages_of_user \
         WHERE lane = ? AND user = ? AND key_hash = ? AND appid = ? AND openid = ?",
        params![user.lane.number(), user.key(), key.key_hash, user.appid.as_str(), user.openid.as_str()],
        |cells: &mut Cells<'_>| {
            let id = cells.message_id()?;
            if cells.raw::<[u8; 8]>()? != key.fingerprint {
                return Ok(Accepted::KeyReused { id });
            }
            let state = cells.coded(MessageState::from_code)?;
            Ok(Accepted::Replayed { id, state, reason: cells.named_or_none(ReasonCode::from_name)? })
        },
    )
}

/// A message that is not sent at once takes its unit out of everybody else's reach, if it came with its own permit
/// or was asked to reserve one. One for which there is no unit then fails as if it were due.
fn hold_if_wanted(tx: &Writing<'_>, row: &mut MessageRow, new: &NewMessage, now: UnixMillis) -> Res<()> {
    // It must still be good when the message goes out.
    let good_until = row.send_at.max(now);
    let chosen = if let Some(own) = row.permit.take() {
        let permit = permits::load(tx, &row.user, own)?;
        Some(permit.id).filter(|_| permit.serves(row.channel, &row.template, good_until))
    } else if new.reserve_now && row.state != MessageState::Waiting {
        permits::choose_for(tx, row, good_until)?.map(|permit| permit.id)
    } else {
        return Ok(());
    };
    match chosen {
        Some(id) => {
            let mut permit = permits::load(tx, &row.user, id)?;
            permits::must(permit.units.hold(), &permit, "hold a unit of")?;
            permits::save(tx, &row.user, &permit)?;
            row.permit = Some(id);
            row.permit_held = true;
        }
        None if row.own_permit || row.policy == hongyan_ledger::PermitPolicy::Require => {
            row.enter(MessageState::Failed, Some(ReasonCode::NoPermit), now);
        }
        None => {}
    }
    Ok(())
}

/// A permit that came with a message may have more units than the message needs.
fn share_the_rest(tx: &Writing<'_>, user: &User, own: &NewPermit, now: UnixMillis) -> Res<()> {
    if own.count <= 1 && !own.kind.is_unlimited() {
        return Ok(());
    }
    if let Some(permit) = permits::find_granted(tx, user, own)? {
        wake_waiting(tx, user, &permit, now)?;
    }
    Ok(())
}
