//! Events that WeChat pushed: receiving each event once, and doing what it asks for.
//!
//! An event is durable before anything is done about it. All that it does is written in the transaction that marks it as
//! done. So after a crash the event is either done completely or worked on from the beginning.

use hongyan_clock::UnixMillis;
use hongyan_ledger::acceptance::Source;
use hongyan_ledger::sent_report::{Choice, look_again};
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{EventId, LANES, Lane, PermitId, PermitKind, app_number};
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::Serialize;

use super::lanes::is_current;
use super::messages::{sent_report, wake};
use super::{acceptances, outbox, permits};
use crate::row_error::{RowError, RowResult};
use crate::rows::events::Nonce;
use crate::rows::{About, Rows, User};
use crate::types::{
    AddressCheck, Applied, ApplyOrder, CallbackAction, Effect, EventState, EventView, NewEvent, NewPermit,
    Received,
};

/// Carries out [`crate::Store::receive_event`].
pub(crate) fn receive(rows: &impl Rows, event: &NewEvent) -> RowResult<Received> {
    let nonce = nonce(event.nonce_hash);
    match rows.digest_under_nonce(&nonce)? {
        Some(digest) if digest != event.digest => return Ok(Received::NonceReused),
        Some(_) => {}
        None => rows.insert_nonce(&nonce, event.digest, event.nonce_expires_at)?,
    }
    let user = event.openid.as_ref().map(|openid| User::of(&event.appid, openid));
    let number = user.as_ref().map_or_else(|| app_number(&event.appid), |user| user.number);
    let lane = Lane::of_number(number);
    if event.id.lane() != Some(lane) {
        return Err(RowError::corrupt(format!("{} was not made for lane {lane}", event.id)));
    }
    let known = rows.event_with_digest(lane, number, event.digest)?;
    rows.callback_heard(event)?;
    if let Some(id) = known {
        return Ok(Received::Repeated { id });
    }
    received(rows, event, lane, number)?;
    Ok(Received::New)
}

/// The event is new. Anything that must be passed on with an event belongs here, in the transaction that makes it durable.
fn received(rows: &impl Rows, event: &NewEvent, lane: Lane, number: u64) -> RowResult<()> {
    rows.insert_event(event, lane, number)?;
    rows.signals().event(lane, event.received_at);
    let user = event.openid.as_ref().map(|openid| User::of(&event.appid, openid));
    let about = user.as_ref().map_or(About::App(&event.appid), About::User);
    outbox::emit(rows, EventType::WechatEvent, about, event.received_at, || PassedOn {
        id: event.id,
        app: &event.appid,
        openid: event.openid.as_ref(),
        name: &event.name,
        body: serde_json::from_str(&event.body).unwrap_or_default(),
    })
}

/// The data of a webhook event that passes on an event of WeChat's.
#[derive(Serialize)]
struct PassedOn<'a> {
    id: EventId,
    app: &'a AppId,
    #[serde(skip_serializing_if = "Option::is_none")]
    openid: Option<&'a OpenId>,
    name: &'a str,
    /// The whole event, as WeChat pushed it.
    body: serde_json::Value,
}

/// The place where a nonce is kept.
fn nonce(hash: [u8; 32]) -> Nonce {
    Nonce { lane: hash[0] % LANES, hash }
}

/// Carries out [`crate::Store::callback_verified`].
pub(crate) fn verified(rows: &impl Rows, appid: &AppId, check: &AddressCheck) -> RowResult<()> {
    // No event has this digest, so any event under this nonce counts as another content.
    rows.insert_nonce(&nonce(check.nonce_hash), [0; 32], check.nonce_expires_at)?;
    rows.callback_verified(appid, check)
}

/// Carries out [`crate::Store::apply_event`].
pub(crate) fn apply(rows: &impl Rows, order: &ApplyOrder) -> RowResult<Option<Applied>> {
    let Some(lane) = order.id.lane() else { return Ok(None) };
    if !is_current(rows, lane, order.epoch)? {
        return Ok(None);
    }
    let Some(event) = rows.event(order.id)?.filter(|event| event.state != EventState::Done) else {
        return Ok(None);
    };
    let mut applied =
        Applied { state: EventState::Done, effects: Vec::new(), ended: Vec::new(), woken: 0, wake_at: None };
    let user = event.openid.as_ref().map(|openid| User::of(&event.appid, openid));
    // If the app was removed meanwhile, the event does nothing.
    if let Some(user) = user.filter(|_| !order.actions.is_empty())
        && rows.gate(&event.appid)?.is_some()
    {
        applied.wake_at = must_wait(rows, &user, &event, order)?;
        if applied.wake_at.is_some() {
            applied.state = EventState::Parked;
        } else {
            for action in &order.actions {
                carry_out(rows, &user, &event, action, order.now, &mut applied)?;
            }
        }
    }
    let worked_at = (applied.state == EventState::Done).then_some(order.now);
    rows.update_event(event.id, applied.state, applied.wake_at, worked_at, &applied.effects)?;
    if let Some(at) = applied.wake_at {
        rows.signals().event(lane, at);
    }
    Ok(Some(applied))
}

/// If one of the event's reports is about a message that still awaits its answer: when to look at the event again. Nothing
/// of the event is done before that.
fn must_wait(
    rows: &impl Rows,
    user: &User,
    event: &EventView,
    order: &ApplyOrder,
) -> RowResult<Option<UnixMillis>> {
    let Some(again) = look_again(event.tries, event.received_at, order.now) else { return Ok(None) };
    for action in &order.actions {
        if let CallbackAction::Report(report) = action
            && sent_report::choose(rows, user, report, event.received_at, true)? == Choice::Wait
        {
            return Ok(Some(again));
        }
    }
    Ok(None)
}

fn carry_out(
    rows: &impl Rows,
    user: &User,
    event: &EventView,
    action: &CallbackAction,
    now: UnixMillis,
    applied: &mut Applied,
) -> RowResult<()> {
    match action {
        CallbackAction::Accept { template, permit } => {
            let effect = accept(rows, user, template, *permit, event.received_at, now)?;
            if let Effect::Granted { woken, .. } = &effect {
                applied.woken += woken;
            }
            applied.effects.push(effect);
        }
        CallbackAction::Withdraw { template } => applied.effects.append(&mut withdraw(rows, user, template)?),
        CallbackAction::Report(report) => {
            let effect = match sent_report::choose(rows, user, report, event.received_at, false)? {
                Choice::Message(id) => {
                    let ended = sent_report::apply_report(rows, id, report, now)?;
                    applied.ended.push(ended);
                    match ended.errcode {
                        None => Effect::Delivered { message: id },
                        Some(errcode) => {
                            Effect::Refused { message: id, errcode, errmsg: report.error_status.clone() }
                        }
                    }
                }
                Choice::Ended(message) => Effect::AlreadySettled { message },
                // The event has waited as long as it may, and it fits no other message.
                Choice::Wait | Choice::Nobody => Effect::NoMessage { template: report.template.clone() },
            };
            applied.effects.push(effect);
        }
    }
    Ok(())
}

/// The user accepted: one unit, or an unlimited permit if the template's subscription is long-term. An unknown template
/// counts as a one-time template, as nearly all templates are.
fn accept(
    rows: &impl Rows,
    user: &User,
    template: &TemplateId,
    permit: PermitId,
    received_at: UnixMillis,
    now: UnixMillis,
) -> RowResult<Effect> {
    let is_long_term = rows.is_long_term(&user.appid, template)?.unwrap_or(false);
    let kind = if is_long_term { PermitKind::SubscribeLongTerm } else { PermitKind::SubscribeOnce };
    if !is_long_term && acceptances::report(rows, user, template, Source::Wechat, 1, received_at)? == 0 {
        return Ok(Effect::AlreadyReported { template: template.clone() });
    }
    let new = NewPermit {
        id: permit,
        appid: user.appid.clone(),
        openid: user.openid.clone(),
        kind,
        code: None,
        template: Some(template.clone()),
        count: 1,
        expires_at: None,
        // `acceptances::report` above has paired the report already.
        reported_by: None,
        claim: None,
    };
    let (permit, _) = permits::grant_one(rows, user, &new, now)?;
    permits::tell(rows, user, &permit, &new, now)?;
    let woken = wake::wake_waiting(rows, user, &permit, now)?;
    Ok(Effect::Granted { template: template.clone(), kind, permit: permit.id, woken })
}

/// The user withdrew: the units left in the subscriptions to this template are void. Units that are kept for a message stay:
/// WeChat's answer to the message will decide.
fn withdraw(rows: &impl Rows, user: &User, template: &TemplateId) -> RowResult<Vec<Effect>> {
    let mut effects = Vec::new();
    for mut permit in rows.permits(user)? {
        let is_meant = matches!(permit.kind, PermitKind::SubscribeOnce | PermitKind::SubscribeLongTerm)
            && permit.template.as_ref() == Some(template);
        if !is_meant || !permit.units.can_serve() {
            continue;
        }
        let units = permit.units.revoke_rest();
        rows.update_permit(user, &permit)?;
        effects.push(Effect::Revoked {
            template: template.clone(),
            kind: permit.kind,
            permit: permit.id,
            units,
        });
    }
    Ok(effects)
}
