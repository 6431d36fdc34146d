//! Permits: granting, choosing, writing their counts.
//!
//! A permit's row is written when units of it are granted, spent (when a message goes out with one), given back, revoked or
//! held. It is not written when WeChat takes the message, nor when the permit expires: both follow from other columns.

use std::borrow::Cow;

use hongyan_clock::UnixMillis;
use hongyan_ledger::PermitId;
use hongyan_ledger::permit::{Admission, Permit, PermitKind, choose};
use hongyan_ledger::units::Units;
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::Serialize;

use super::acceptances;
use super::messages::wake::wake_waiting;
use super::outbox;
use crate::row_error::{RowError, RowResult};
use crate::rows::{About, MessageRow, Rows, User};
use crate::types::{Granted, NewPermit};

/// Turns the ledger's `false` ("there was no such unit") into an error: the rows contradict each other, and going on would
/// spend a unit twice or lose a unit.
pub(crate) fn must(done: bool, permit: &Permit, what: &str) -> RowResult<()> {
    if done {
        Ok(())
    } else {
        Err(RowError::corrupt(format!("cannot {what} {}: {:?}", permit.id, permit.units)))
    }
}

/// Changes the units of a permit that must exist, as the ledger says, and writes them. `what` says what could not be done,
/// if there is no such unit.
pub(crate) fn change_units(
    rows: &impl Rows,
    user: &User,
    id: PermitId,
    what: &str,
    change: impl FnOnce(&mut Units) -> bool,
) -> RowResult<Permit> {
    let mut permit = rows.present_permit(user, id)?;
    must(change(&mut permit.units), &permit, what)?;
    rows.update_permit(user, &permit)?;
    Ok(permit)
}

/// Whether a new code may be granted. The user's oldest claims may have to give way: those of which no unit was ever used
/// are removed, as if they had never been claimed. (Keeping a row for each claim would make every look at this user's
/// permits longer.)
fn make_room(rows: &impl Rows, user: &User, new: &NewPermit, now: UnixMillis) -> RowResult<bool> {
    let Some(claim) = new.claim.filter(|_| new.code.is_some()) else { return Ok(true) };
    // Count first. A code that exists already needs no room, and nearly always there is enough room.
    match claim.admit(rows.count_claims(user, claim.origin, now)?) {
        Admission::Grant { give_way: 0 } => Ok(true),
        _ if find_granted(rows, user, new)?.is_some() => Ok(true),
        Admission::Refuse => Ok(false),
        Admission::Grant { give_way } => {
            rows.remove_claims(user, claim.origin, now, give_way)?;
            Ok(true)
        }
    }
}

/// Carries out [`crate::Store::grant`].
pub(crate) fn grant(rows: &impl Rows, permits: &[NewPermit], now: UnixMillis) -> RowResult<Vec<Granted>> {
    permits
        .iter()
        .map(|new| {
            let user = User::of(&new.appid, &new.openid);
            let new = &without_what_was_reported(rows, &user, new, now)?;
            if !make_room(rows, &user, new, now)? {
                return Ok(Granted {
                    id: new.id,
                    duplicate: false,
                    expires_at: None,
                    woken: 0,
                    refused: true,
                });
            }
            let (permit, duplicate) = grant_one(rows, &user, new, now)?;
            let woken = if duplicate { 0 } else { wake_waiting(rows, &user, &permit, now)? };
            // The units that the other side reported already were told of then.
            if !duplicate && (new.count > 0 || new.kind.is_unlimited()) {
                tell(rows, &user, &permit, new, now)?;
            }
            Ok(Granted { id: permit.id, duplicate, expires_at: permit.expires_at, woken, refused: false })
        })
        .collect()
}

/// The grant without the units that the other side has reported already, if there is another side.
fn without_what_was_reported<'a>(
    rows: &impl Rows,
    user: &User,
    new: &'a NewPermit,
    now: UnixMillis,
) -> RowResult<Cow<'a, NewPermit>> {
    let (Some(source), Some(template)) = (new.reported_by, &new.template) else {
        return Ok(Cow::Borrowed(new));
    };
    let count = acceptances::report(rows, user, template, source, new.count, now)?;
    Ok(Cow::Owned(NewPermit { count, ..new.clone() }))
}

/// Writes the webhook event of a grant, if a webhook wants it.
pub(crate) fn tell(
    rows: &impl Rows,
    user: &User,
    permit: &Permit,
    new: &NewPermit,
    now: UnixMillis,
) -> RowResult<()> {
    outbox::emit(rows, EventType::PermitGranted, About::User(user), now, || GrantedData {
        id: permit.id,
        app: &user.appid,
        openid: &user.openid,
        kind: permit.kind,
        template: permit.template.as_ref(),
        count: (!new.kind.is_unlimited()).then_some(new.count),
        expires_at: permit.expires_at,
    })
}

/// The data of an event about a grant.
#[derive(Serialize)]
struct GrantedData<'a> {
    id: PermitId,
    app: &'a AppId,
    openid: &'a OpenId,
    kind: PermitKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a TemplateId>,
    /// How many units; absent if they are unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<UnixMillis>,
}

/// Grants without waking any message. Returns the permit, and whether its code was granted before.
pub(crate) fn grant_one(
    rows: &impl Rows,
    user: &User,
    new: &NewPermit,
    now: UnixMillis,
) -> RowResult<(Permit, bool)> {
    if let Some(mut permit) = find_granted(rows, user, new)? {
        if permit.code.is_some() || (new.count == 0 && !new.kind.is_unlimited()) {
            return Ok((permit, true));
        }
        permit.units.grant(new.count, new.kind.is_unlimited());
        permit.granted_at = now;
        rows.update_permit(user, &permit)?;
        return Ok((permit, false));
    }
    if new.id.lane() != Some(user.lane) {
        return Err(RowError::corrupt(format!("{} was not made for lane {} of its user", new.id, user.lane)));
    }
    let permit = Permit {
        id: new.id,
        kind: new.kind,
        template: new.template.clone(),
        code: new.code.clone(),
        units: if new.kind.is_unlimited() { Units::unlimited() } else { Units::granted(new.count) },
        granted_at: now,
        expires_at: new.expires_at,
    };
    rows.insert_permit(user, &permit, new.claim.map(|claim| claim.origin))?;
    Ok((permit, false))
}

/// The permit that a grant adds to: the permit with its code, or its counter.
pub(crate) fn find_granted(rows: &impl Rows, user: &User, new: &NewPermit) -> RowResult<Option<Permit>> {
    match &new.code {
        Some(code) => rows.permit_of_code(user, code),
        None => rows.counter(user, new.kind, new.template.as_ref()),
    }
}

/// The permit to send a message with, or to keep for it, that is still valid at this moment.
pub(crate) fn choose_for(
    rows: &impl Rows,
    row: &MessageRow,
    good_until: UnixMillis,
) -> RowResult<Option<Permit>> {
    let permits = rows.open_permits(&row.user, good_until)?;
    Ok(choose(&permits, row.channel, &row.template, good_until).cloned())
}
