//! `accept`: the first state of a message.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageState, ReasonCode, Units};

use super::super::{lanes, permits};
use super::collapse::{Replaced, correct, replace_older, superseded};
use super::turn::{Turn, claimed, take_turn};
use super::wake::wake_waiting;
use super::write::insert;
use crate::row_error::{RowError, RowResult};
use crate::rows::{MessageRow, Rows, User};
use crate::types::{Accepted, Claimed, Epoch, Idempotency, NewMessage, NewPermit};

/// Carries out [`crate::Store::accept`].
pub(crate) fn accept(rows: &impl Rows, messages: &[NewMessage]) -> RowResult<Vec<Accepted>> {
    let superseded = if messages.len() > 1 { superseded(messages) } else { Vec::new() };
    let mut answers = Vec::with_capacity(messages.len());
    for (place, new) in messages.iter().enumerate() {
        let start = new.start.filter(|_| !superseded.get(place).is_some_and(|&superseded| superseded));
        let mut answer = accept_one(rows, new, start)?;
        if let Accepted::New { replaced, .. } = &mut answer
            && !replaced.is_empty()
        {
            correct(&mut answers, messages, replaced);
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn accept_one(rows: &impl Rows, new: &NewMessage, start: Option<Epoch>) -> RowResult<Accepted> {
    let user = User::of(&new.appid, &new.openid);
    if new.id.lane() != Some(user.lane) {
        return Err(RowError::corrupt(format!("{} was not made for lane {} of its user", new.id, user.lane)));
    }
    if let Some(key) = &new.idempotency
        && let Some(earlier) = find_key(rows, &user, key)?
    {
        return Ok(earlier);
    }

    let now = new.accepted_at;
    let mut row = first_row(new, user);
    let replaced = match &new.collapse_key {
        Some(key) => replace_older(rows, &row.user, key, new.id, now)?,
        None => Replaced::default(),
    };
    if let Some(own) = &new.own_permit {
        let (permit, _duplicate) = permits::grant_one(rows, &row.user, own, now)?;
        row.permit = Some(permit.id);
    }
    let mut in_flight: Option<Claimed> = None;
    let epoch = match start {
        Some(epoch) if lanes::is_current(rows, row.user.lane, epoch)? => Some(epoch),
        _ => None,
    };
    match take_turn(rows, &mut row, epoch.is_some(), now)? {
        Turn::Send(going) => {
            in_flight =
                epoch.map(|epoch| claimed(&row, going, (new.body.clone(), new.origin.clone()), epoch));
        }
        Turn::Later => hold_if_wanted(rows, &mut row, new, now)?,
        Turn::End(_) => row.permit = None,
    }
    insert(rows, &mut row, new.idempotency.as_ref(), new.accepted_by, &new.origin, &new.body)?;
    if let Some(own) = &new.own_permit {
        share_the_rest(rows, &row, own, now)?;
    }
    replaced.share(rows, &row.user, now)?;
    Ok(Accepted::New {
        state: row.state,
        reason: row.reason,
        claimed: in_flight.map(Box::new),
        wake_at: row.wake_at,
        replaced: replaced.ended,
    })
}

/// The row of a message before anything is decided.
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
        // A time in the past means now. So a user's messages for now are sent in the order of their acceptance.
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

/// The answer for the message with this key, if it exists. If not, the new message will have the key. No other transaction
/// can take the key in between, because a lane has one writer.
fn find_key(rows: &impl Rows, user: &User, key: &Idempotency) -> RowResult<Option<Accepted>> {
    Ok(rows.key_of(user, key)?.map(|known| {
        if known.fingerprint == key.fingerprint {
            Accepted::Replayed { id: known.id, state: known.state, reason: known.reason }
        } else {
            Accepted::KeyReused { id: known.id }
        }
    }))
}

/// Holds a unit for a message that is not sent at once, if it came with its own permit or was asked to reserve one: other
/// messages cannot use this unit. If there is no free unit, the message fails as if it were due.
fn hold_if_wanted(
    rows: &impl Rows,
    row: &mut MessageRow,
    new: &NewMessage,
    now: UnixMillis,
) -> RowResult<()> {
    // The permit must still be valid when the message goes out.
    let good_until = row.send_at.max(now);
    let chosen = if let Some(own) = row.permit.take() {
        let permit = rows.present_permit(&row.user, own)?;
        Some(permit.id).filter(|_| permit.serves(row.channel, &row.template, good_until))
    } else if new.reserve_now && row.state != MessageState::Waiting {
        permits::choose_for(rows, row, good_until)?.map(|permit| permit.id)
    } else {
        return Ok(());
    };
    match chosen {
        Some(id) => {
            permits::change_units(rows, &row.user, id, "hold a unit of", Units::hold)?;
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

/// Wakes messages for the units that are left over. A permit that came with a message may have more units than the message
/// needs, and the message may have ended without using any.
fn share_the_rest(rows: &impl Rows, row: &MessageRow, own: &NewPermit, now: UnixMillis) -> RowResult<()> {
    let takes_all = row.permit.is_some() && own.count <= 1 && !own.kind.is_unlimited();
    if !takes_all && let Some(permit) = permits::find_granted(rows, &row.user, own)? {
        wake_waiting(rows, &row.user, &permit, now)?;
    }
    Ok(())
}
