//! `settle`: stores an attempt's outcome, in one commit with everything that follows from it.

use hongyan_clock::UnixMillis;
use hongyan_ledger::permit::Origin;
use hongyan_ledger::retry::BACKOFF_BASE;
use hongyan_ledger::settle::{MAX_DEAD_PERMITS, Next, Replacement, is_doubtful, is_invented, replace};
use hongyan_ledger::units::UnitEffect;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{MessageState, PermitPolicy, ReasonCode};
use hongyan_wechat::Errcode;

use super::super::outbox::{self, MessageData};
use super::super::{lanes, permits, tallies};
use super::collapse::give_way;
use super::next::hand_on;
use super::wake::wake_waiting;
use super::write::save;
use crate::row_error::RowResult;
use crate::rows::{About, MessageRow, Rows, User};
use crate::signals::Moved;
use crate::types::{Settled, Settlement};

/// Carries out [`crate::Store::settle`].
pub(crate) fn settle(rows: &impl Rows, settlements: &[Settlement]) -> RowResult<Vec<Settled>> {
    settlements.iter().map(|settlement| settle_one(rows, settlement)).collect()
}

/// The answer for an attempt that another node settles, or that is settled already.
const NOT_DONE: Settled = Settled { state: None, reason: None, wake_at: None, next: None, ended: Vec::new() };

fn settle_one(rows: &impl Rows, settlement: &Settlement) -> RowResult<Settled> {
    let user = User::of(&settlement.appid, &settlement.openid);
    if !lanes::is_current(rows, user.lane, settlement.epoch)? {
        return Ok(NOT_DONE);
    }
    if let Some(settled) = settle_plain_success(rows, settlement, &user)? {
        return Ok(settled);
    }
    let in_flight = rows
        .message(settlement.id)?
        .filter(|row| row.state == MessageState::Sending && row.attempts == settlement.attempt);
    let Some(mut row) = in_flight else {
        return Ok(NOT_DONE);
    };
    let (effects, now) = (&settlement.effects, settlement.ended_at);
    row.ended_at = Some(now);
    row.outcome = Some(settlement.outcome.clone());
    row.maybe_delivered = effects.maybe_delivered;
    let mut next = effects.next;
    if effects.app.is_some() {
        let is_paused = rows.gate(&row.user.appid)?.is_some_and(|gate| gate.is_paused(now));
        if !is_paused && let Next::Retry { wake_at, .. } = &mut next {
            // The pause ended before this outcome was stored, or the pause could not be stored. Ending the pause would have
            // woken this message, so without a timer nobody would.
            *wake_at = Some(now.plus(BACKOFF_BASE));
        }
    }

    let retries = matches!(effects.next, Next::Retry { .. });
    // A permit that came with the message stays reserved for it while it rests.
    let unit = match effects.unit {
        UnitEffect::Release if row.own_permit && retries => UnitEffect::Hold,
        unit => unit,
    };
    apply_unit(rows, &mut row, unit)?;
    apply_next(rows, &mut row, next, now)?;
    give_way(rows, &mut row, now)?;
    save(rows, &mut row)?;

    // A freed unit wakes waiting messages only if this message does not want the unit itself.
    if row.state == MessageState::Failed
        && unit == UnitEffect::Release
        && let Some(id) = row.permit
    {
        wake_waiting(rows, &row.user, &rows.present_permit(&row.user, id)?, now)?;
    }
    let resting = retries.then_some(row.id);
    let room = settlement.room.then_some(settlement.epoch);
    let mut handed = hand_on(rows, &row.user, resting, room, now)?;

    // If the message got another permit, the user's next message may be this same message.
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

/// Writes the webhook event for a sent message, if a webhook wants it. The settlement does not contain all its data, so the
/// row is read.
fn tell_sent(rows: &impl Rows, settlement: &Settlement, user: &User) -> RowResult<()> {
    if !rows.is_wanted(EventType::MessageSent, Some(&user.appid))? {
        return Ok(());
    }
    let sent = rows.sent_message(user, settlement.id)?;
    debug_assert!(sent.is_some(), "it was updated just now");
    let Some(sent) = sent else { return Ok(()) };
    let data = MessageData {
        id: settlement.id,
        app: &user.appid,
        to: user.openid.as_str(),
        template: &sent.template,
        channel: sent.channel,
        reference: sent.reference.as_deref(),
        request_id: sent.origin.request_id.as_deref(),
        state: MessageState::Sent,
        reason: None,
        attempt_count: settlement.attempt,
        accepted_at: sent.accepted_at,
    };
    let trace = sent.origin.traceparent.as_deref();
    outbox::store(rows, EventType::MessageSent, About::User(user), settlement.ended_at, &data, trace)?;
    Ok(())
}

/// Settles the usual case with one write: WeChat took the message, its unit was spent when it went out, and its user has no
/// other open message. The general way would first read the row, its permit and the user's queue. `None`: this is another
/// case.
fn settle_plain_success(
    rows: &impl Rows,
    settlement: &Settlement,
    user: &User,
) -> RowResult<Option<Settled>> {
    let effects = &settlement.effects;
    let is_plain = effects.next == Next::Sent && effects.unit == UnitEffect::Spend && effects.app.is_none();
    if !is_plain || !rows.settle_plainly(user, settlement)? {
        return Ok(None);
    }
    tell_sent(rows, settlement, user)?;
    tallies::sent(rows, settlement);
    rows.signals().moved(Moved {
        id: settlement.id,
        state: MessageState::Sent,
        reason: None,
        is_new_state: true,
        is_parked: false,
    });
    Ok(Some(Settled { state: Some(MessageState::Sent), ..NOT_DONE }))
}

/// Applies the outcome to the unit that the attempt used.
fn apply_unit(rows: &impl Rows, row: &mut MessageRow, effect: UnitEffect) -> RowResult<()> {
    let Some(id) = row.permit else { return Ok(()) };
    // Write nothing if the unit stays where it is.
    let stays = match effect {
        UnitEffect::Spend => !row.permit_held,
        UnitEffect::Hold => row.permit_held,
        UnitEffect::Release | UnitEffect::Revoke => false,
    };
    if stays {
        return Ok(());
    }
    let held = row.permit_held;
    permits::change_units(rows, &row.user, id, "settle a unit of", |units| units.settle(effect, held))?;
    row.permit_held = effect == UnitEffect::Hold;
    Ok(())
}

/// Applies the outcome to the message.
fn apply_next(rows: &impl Rows, row: &mut MessageRow, next: Next, now: UnixMillis) -> RowResult<()> {
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
            let dead = dead_in_a_row(rows, row)?;
            if let Some(permit) = row.attempt_permit
                && is_invented(&dead, rows.origin_of(&row.user, permit)?)
            {
                rows.revoke_claims(&row.user, Origin::MiniProgram)?;
            }
            let another = !row.own_permit && permits::choose_for(rows, row, now)?.is_some();
            let policy = if row.own_permit { PermitPolicy::Require } else { row.policy };
            match replace(dead.len() as u32, another, policy) {
                Replacement::Another => {
                    row.enter(MessageState::Ready, None, now);
                    row.wake_at = Some(now);
                }
                Replacement::Wait => {
                    row.enter(MessageState::Waiting, Some(ReasonCode::NoPermit), now);
                    row.wake_at = row.deadline;
                }
                Replacement::Fail => row.enter(MessageState::Failed, Some(ReasonCode::NoPermit), now),
            }
        }
    }
    Ok(())
}

/// WeChat's errcodes for the last attempts that found their permit dead, the latest first, at most as many as a message may
/// try. They are read from the stored attempts, so a restart does not begin to count again.
fn dead_in_a_row(rows: &impl Rows, row: &MessageRow) -> RowResult<Vec<Errcode>> {
    let last = row.outcome.as_ref().and_then(hongyan_ledger::settle::Outcome::errcode);
    let earlier =
        if row.attempts > 1 { rows.errcodes_of_attempts(row, MAX_DEAD_PERMITS - 1)? } else { Vec::new() };
    let in_a_row =
        std::iter::once(last).chain(earlier).map_while(|errcode| errcode.filter(|&code| is_doubtful(code)));
    Ok(in_a_row.collect())
}
