//! Permits: granting, choosing, writing their counts.
//!
//! A permit's row is written when units of it are granted, spent, revoked or held; not when a message in flight
//! names it, and not when it expires. Both of those are derived.

use hongyan_clock::UnixMillis;
use hongyan_ledger::permit::{Permit, PermitKind, Units, choose};
use hongyan_ledger::{Lane, PermitId};
use rusqlite::{Connection, params};

use super::messages::wake::{reserved_permit, wake_waiting};
use super::messages::{MessageRow, User};
use super::rows::{Cells, change, many, one};
use super::trouble::{Res, Trouble};
use crate::types::{Granted, NewPermit, PermitView};

/// The columns of a permit, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "id, kind, template, code, granted, spent, revoked, held, unlimited, granted_at, expires_at"
    };
}

fn read(cells: &mut Cells<'_>) -> Res<Permit> {
    let (id, kind) = (cells.permit_id()?, cells.coded(PermitKind::from_code)?);
    let template: String = cells.raw()?;
    let template = if template.is_empty() {
        None
    } else {
        Some(template.parse().map_err(|why| Trouble::corrupt(format!("{template:?}: {why}")))?)
    };
    let permit = Permit {
        id,
        kind,
        template,
        code: cells.raw()?,
        units: Units {
            granted: cells.raw()?,
            spent: cells.raw()?,
            revoked: cells.raw()?,
            held: cells.raw()?,
            unlimited: cells.raw()?,
        },
        granted_at: cells.moment()?,
        expires_at: Some(cells.moment()?).filter(|&end| end != UnixMillis::MAX),
    };
    let used = [permit.units.spent, permit.units.revoked, permit.units.held];
    if used.into_iter().map(u64::from).sum::<u64>() > u64::from(permit.units.granted) {
        return Err(Trouble::corrupt(format!("{id} has more units used than were granted")));
    }
    Ok(permit)
}

/// The units left as a number that an index can use: -1 for a permit that never runs out.
fn free(units: &Units) -> i64 {
    if units.unlimited { -1 } else { i64::from(units.remaining()) }
}

/// One permit that must be there.
pub(super) fn load(db: &Connection, id: PermitId) -> Res<Permit> {
    let lane = id.lane().ok_or_else(|| Trouble::corrupt(format!("{id} has no lane")))?;
    one(
        db,
        concat!("SELECT ", columns!(), " FROM permits WHERE lane = ? AND id = ?"),
        params![lane.number(), id.as_bytes()],
        read,
    )?
    .ok_or_else(|| Trouble::corrupt(format!("{id} is named but not there")))
}

/// Turns a ledger's "there was no such unit" into an error: the rows contradict each other, and going on would
/// spend a unit twice or lose one.
pub(super) fn must(done: bool, permit: &Permit, what: &str) -> Res<()> {
    if done {
        Ok(())
    } else {
        Err(Trouble::corrupt(format!("cannot {what} {}: {:?}", permit.id, permit.units)))
    }
}

/// Writes a permit's counts.
pub(super) fn save(db: &Connection, permit: &Permit) -> Res<()> {
    debug_assert!(permit.totals(0, permit.granted_at).balance(), "{permit:?}");
    let lane = permit.id.lane().ok_or_else(|| Trouble::corrupt(format!("{} has no lane", permit.id)))?;
    let units = &permit.units;
    let changed = change(
        db,
        "UPDATE permits SET granted = ?3, spent = ?4, revoked = ?5, held = ?6, unlimited = ?7, free = ?8, \
         granted_at = ?9 WHERE lane = ?1 AND id = ?2",
        params![
            lane.number(),
            permit.id.as_bytes(),
            units.granted,
            units.spent,
            units.revoked,
            units.held,
            units.unlimited,
            free(units),
            permit.granted_at.0,
        ],
    )?;
    if changed == 1 { Ok(()) } else { Err(Trouble::corrupt(format!("{} is not there any more", permit.id))) }
}

fn insert(db: &Connection, user: &User, permit: &Permit) -> Res<()> {
    let units = &permit.units;
    change(
        db,
        "INSERT INTO permits (id, lane, appid, openid, kind, template, code, granted, spent, revoked, held, \
         unlimited, free, granted_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            permit.id.as_bytes(),
            user.lane.number(),
            user.appid.as_str(),
            user.openid.as_str(),
            permit.kind.code(),
            permit.template.as_ref().map_or("", |template| template.as_str()),
            permit.code,
            units.granted,
            units.spent,
            units.revoked,
            units.held,
            units.unlimited,
            free(units),
            permit.granted_at.0,
            permit.expires_at.unwrap_or(UnixMillis::MAX).0,
        ],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::grant`].
pub(super) fn grant(db: &Connection, permits: &[NewPermit], now: UnixMillis) -> Res<Vec<Granted>> {
    permits
        .iter()
        .map(|new| {
            let user = User {
                lane: Lane::of(&new.appid, &new.openid),
                appid: new.appid.clone(),
                openid: new.openid.clone(),
            };
            let (permit, duplicate) = grant_one(db, &user, new, now)?;
            let woken = if duplicate { 0 } else { wake_waiting(db, &user, &permit, now)? };
            Ok(Granted { id: permit.id, duplicate, expires_at: permit.expires_at, woken })
        })
        .collect()
}

/// Grants, without waking anybody. Returns the permit and whether its code was granted before.
pub(super) fn grant_one(
    db: &Connection,
    user: &User,
    new: &NewPermit,
    now: UnixMillis,
) -> Res<(Permit, bool)> {
    if let Some(mut permit) = find_granted(db, user, new)? {
        if permit.code.is_some() {
            return Ok((permit, true));
        }
        permit.units.grant(new.count, new.kind.is_unlimited());
        permit.granted_at = now;
        save(db, &permit)?;
        return Ok((permit, false));
    }
    if new.id.lane() != Some(user.lane) {
        return Err(Trouble::corrupt(format!("{} was not made for lane {} of its user", new.id, user.lane)));
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
    insert(db, user, &permit)?;
    Ok((permit, false))
}

/// The permit that this grant adds to: the one of its code, or its counter.
pub(super) fn find_granted(db: &Connection, user: &User, new: &NewPermit) -> Res<Option<Permit>> {
    let (lane, appid, openid) = (user.lane.number(), user.appid.as_str(), user.openid.as_str());
    if let Some(code) = &new.code {
        return one(
            db,
            concat!(
                "SELECT ",
                columns!(),
                " FROM permits WHERE lane = ? AND appid = ? AND openid = ? AND code = ?"
            ),
            params![lane, appid, openid, code],
            read,
        );
    }
    one(
        db,
        concat!(
            "SELECT ",
            columns!(),
            " FROM permits WHERE lane = ? AND appid = ? AND openid = ? AND kind = ? AND template = ? \
             AND code IS NULL"
        ),
        params![lane, appid, openid, new.kind.code(), new.template.as_ref().map_or("", |t| t.as_str())],
        read,
    )
}

/// The user's permits that have units left and have not expired.
fn open(db: &Connection, user: &User, now: UnixMillis) -> Res<Vec<Permit>> {
    many(
        db,
        concat!(
            "SELECT ",
            columns!(),
            " FROM permits WHERE lane = ? AND appid = ? AND openid = ? AND expires_at > ? AND free <> 0"
        ),
        params![user.lane.number(), user.appid.as_str(), user.openid.as_str(), now.0],
        read,
    )
}

/// The permit to send a message with. Its user has nothing in flight, so every unit that is left is free.
pub(super) fn choose_for(db: &Connection, row: &MessageRow, now: UnixMillis) -> Res<Option<Permit>> {
    let permits = open(db, &row.user, now)?;
    Ok(choose(&permits, row.channel, &row.template, now).cloned())
}

/// The permit of which to hold a unit until `good_until`; the one that a message in flight is about to spend is
/// not free.
pub(super) fn choose_to_hold(
    db: &Connection,
    row: &MessageRow,
    good_until: UnixMillis,
) -> Res<Option<PermitId>> {
    let reserved = reserved_permit(db, &row.user)?;
    let mut permits = open(db, &row.user, good_until)?;
    for permit in &mut permits {
        reserve(permit, reserved);
    }
    Ok(choose(&permits, row.channel, &row.template, good_until).map(|permit| permit.id))
}

/// A permit as it is for everybody but the user's message in flight.
pub(super) fn with_reservation(db: &Connection, user: &User, mut permit: Permit) -> Res<Permit> {
    reserve(&mut permit, reserved_permit(db, user)?);
    Ok(permit)
}

fn reserve(permit: &mut Permit, reserved: Option<PermitId>) {
    if reserved == Some(permit.id) {
        // Only on this copy. If there is none to take, then none is free either, which is what the caller asks.
        let _taken = permit.units.hold();
    }
}

/// Carries out [`crate::Store::permits`].
pub(super) fn permits_of(db: &Connection, user: &User, now: UnixMillis) -> Res<Vec<PermitView>> {
    let reserved = reserved_permit(db, user)?;
    let permits = many(
        db,
        // Two halves, for each has an index of its own.
        concat!(
            "SELECT ",
            columns!(),
            " FROM permits WHERE lane = ?1 AND appid = ?2 AND openid = ?3 AND code IS NOT NULL UNION ALL SELECT ",
            columns!(),
            " FROM permits WHERE lane = ?1 AND appid = ?2 AND openid = ?3 AND code IS NULL ORDER BY id DESC"
        ),
        params![user.lane.number(), user.appid.as_str(), user.openid.as_str()],
        read,
    )?;
    Ok(permits
        .into_iter()
        .map(|permit| {
            let totals = permit.totals(u32::from(reserved == Some(permit.id)), now);
            PermitView { permit, totals }
        })
        .collect())
}
