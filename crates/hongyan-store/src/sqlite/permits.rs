//! Permits: granting, choosing, writing their counts.
//!
//! A permit's row is written when units of it are granted, spent (as a message goes out with one), given back, revoked
//! or held; not when WeChat takes the message, and not when it expires. Both of those are derived.

use std::borrow::Cow;

use hongyan_clock::UnixMillis;
use hongyan_ledger::PermitId;
use hongyan_ledger::permit::{Admission, Origin, Permit, PermitKind, Units, choose};
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::{AppId, OpenId, TemplateId};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::acceptances;
use super::memory::Writing;
use super::messages::wake::{permit_in_flight, wake_waiting};
use super::messages::{MessageRow, User};
use super::outbox::{self, About};
use super::rows::{Cells, change, many, one};
use super::trouble::{Res, Trouble};
use crate::types::{Granted, NewPermit, PermitView};

/// The columns of a permit, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "id, expires_at, kind, granted, spent, revoked, held, unlimited, granted_at, template, code"
    };
}

/// What every look at a user's permits has in common; the first three numbers are those of [`of_user!`].
macro_rules! select_of_user {
    ($and:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM permits WHERE lane = ?1 AND user = ?2 AND appid = ?3 AND openid = ?4 ",
            $and
        )
    };
}

/// The parameters of a statement about a user's permits.
macro_rules! of_user {
    ($user:expr $(, $more:expr)* $(,)?) => {
        params![$user.lane.number(), $user.key(), $user.appid.as_str(), $user.openid.as_str() $(, $more)*]
    };
}

fn read(cells: &mut Cells<'_>) -> Res<Permit> {
    let id = cells.permit_id()?;
    let expires_at = Some(cells.moment()?).filter(|&end| end != UnixMillis::MAX);
    let permit = Permit {
        id,
        expires_at,
        kind: cells.coded(PermitKind::from_code)?,
        units: Units {
            granted: cells.raw()?,
            spent: cells.raw()?,
            revoked: cells.raw()?,
            held: cells.raw()?,
            unlimited: cells.raw()?,
        },
        granted_at: cells.moment()?,
        template: cells.parsed_or_none()?,
        code: cells.raw()?,
    };
    let used = [permit.units.spent, permit.units.revoked, permit.units.held];
    if used.into_iter().map(u64::from).sum::<u64>() > u64::from(permit.units.granted) {
        return Err(Trouble::corrupt(format!("{id} has more units used than were granted")));
    }
    Ok(permit)
}

/// One permit of a user.
pub(super) fn find(db: &Connection, user: &User, id: PermitId) -> Res<Option<Permit>> {
    one(db, select_of_user!("AND id = ?5"), of_user![user, id.as_bytes()], read)
}

/// One permit of a user that must be there.
pub(super) fn load(db: &Connection, user: &User, id: PermitId) -> Res<Permit> {
    find(db, user, id)?.ok_or_else(|| Trouble::corrupt(format!("{id} is named but not there")))
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
pub(super) fn save(db: &Connection, user: &User, permit: &Permit) -> Res<()> {
    debug_assert!(permit.totals(0, permit.granted_at).balance(), "{permit:?}");
    let units = &permit.units;
    let changed = change(
        db,
        "UPDATE permits SET granted = ?4, spent = ?5, revoked = ?6, held = ?7, unlimited = ?8, granted_at = ?9 \
         WHERE lane = ?1 AND user = ?2 AND id = ?3",
        params![
            user.lane.number(),
            user.key(),
            permit.id.as_bytes(),
            units.granted,
            units.spent,
            units.revoked,
            units.held,
            units.unlimited,
            permit.granted_at.0,
        ],
    )?;
    if changed == 1 { Ok(()) } else { Err(Trouble::corrupt(format!("{} is not there any more", permit.id))) }
}

fn insert(db: &Connection, user: &User, permit: &Permit, origin: Option<Origin>) -> Res<()> {
    let units = &permit.units;
    change(
        db,
        concat!(
            "INSERT INTO permits (lane, user, appid, openid, ",
            columns!(),
            ", origin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ),
        of_user![
            user,
            permit.id.as_bytes(),
            permit.expires_at.unwrap_or(UnixMillis::MAX).0,
            permit.kind.code(),
            units.granted,
            units.spent,
            units.revoked,
            units.held,
            units.unlimited,
            permit.granted_at.0,
            permit.template.as_ref().map(|template| template.as_str()),
            permit.code,
            origin.map(Origin::code),
        ],
    )?;
    Ok(())
}

/// Whether a new code may be granted. The user's oldest claims may go for it: what was never used of them is forgotten, as
/// if it had not been claimed. (A row for each that was ever claimed would make every look at this user longer.)
fn make_room(db: &Connection, user: &User, new: &NewPermit, now: UnixMillis) -> Res<bool> {
    let Some(claim) = new.claim.filter(|_| new.code.is_some()) else { return Ok(true) };
    // Looked at first, for a code that is there already needs no room; nearly always there is enough.
    let open: u32 = one(
        db,
        "SELECT COUNT(*) FROM permits INDEXED BY permits_claimed WHERE lane = ? AND user = ? AND origin = ? \
         AND origin IS NOT NULL AND granted > spent + revoked + held AND expires_at > ?",
        params![user.lane.number(), user.key(), claim.origin.code(), now.0],
        |cells| cells.raw(),
    )?
    .unwrap_or(0);
    match claim.admit(open) {
        Admission::Grant { give_way: 0 } => Ok(true),
        _ if find_granted(db, user, new)?.is_some() => Ok(true),
        Admission::Refuse => Ok(false),
        Admission::Grant { give_way } => {
            change(
                db,
                "DELETE FROM permits WHERE (lane, user, id) IN (SELECT lane, user, id FROM permits \
                 INDEXED BY permits_claimed WHERE lane = ?1 AND user = ?2 AND appid = ?3 AND openid = ?4 AND origin = ?5 \
                 AND origin IS NOT NULL AND granted > spent + revoked + held AND expires_at > ?6 \
                 AND spent + revoked + held = 0 ORDER BY expires_at, id LIMIT ?7)",
                of_user![user, claim.origin.code(), now.0, give_way],
            )?;
            Ok(true)
        }
    }
}

/// Who claimed a permit's code.
pub(super) fn origin_of(db: &Connection, user: &User, id: PermitId) -> Res<Option<Origin>> {
    let origin = one(
        db,
        "SELECT origin FROM permits WHERE lane = ? AND user = ? AND id = ?",
        params![user.lane.number(), user.key(), id.as_bytes()],
        |cells| cells.raw::<Option<u8>>(),
    )?;
    Ok(origin.flatten().and_then(Origin::from_code))
}

/// Voids what is left of everything that the mini program claimed for a user.
pub(super) fn revoke_claims(db: &Connection, user: &User) -> Res<()> {
    change(
        db,
        "UPDATE permits SET revoked = granted - spent - held WHERE (lane, user, id) IN (SELECT lane, user, id FROM permits \
         INDEXED BY permits_claimed WHERE lane = ?1 AND user = ?2 AND appid = ?3 AND openid = ?4 AND origin = ?5 \
         AND origin IS NOT NULL AND granted > spent + revoked + held)",
        of_user![user, Origin::MiniProgram.code()],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::grant`].
pub(super) fn grant(tx: &Writing<'_>, permits: &[NewPermit], now: UnixMillis) -> Res<Vec<Granted>> {
    permits
        .iter()
        .map(|new| {
            let user = User::of(&new.appid, &new.openid);
            let new = &without_what_was_reported(tx, &user, new, now)?;
            if !make_room(tx, &user, new, now)? {
                return Ok(Granted {
                    id: new.id,
                    duplicate: false,
                    expires_at: None,
                    woken: 0,
                    refused: true,
                });
            }
            let (permit, duplicate) = grant_one(tx, &user, new, now)?;
            let woken = if duplicate { 0 } else { wake_waiting(tx, &user, &permit, now)? };
            // What the other side has reported already was told then.
            if !duplicate && (new.count > 0 || new.kind.is_unlimited()) {
                tell(tx, &user, &permit, new, now)?;
            }
            Ok(Granted { id: permit.id, duplicate, expires_at: permit.expires_at, woken, refused: false })
        })
        .collect()
}

/// A grant of what the other side has not reported already, if there is such a side.
fn without_what_was_reported<'a>(
    tx: &Writing<'_>,
    user: &User,
    new: &'a NewPermit,
    now: UnixMillis,
) -> Res<Cow<'a, NewPermit>> {
    let (Some(source), Some(template)) = (new.reported_by, &new.template) else {
        return Ok(Cow::Borrowed(new));
    };
    let count = acceptances::report(tx, user, template, source, new.count, now)?;
    Ok(Cow::Owned(NewPermit { count, ..new.clone() }))
}

/// Tells of a grant, if somebody wants to know.
pub(super) fn tell(
    tx: &Writing<'_>,
    user: &User,
    permit: &Permit,
    new: &NewPermit,
    now: UnixMillis,
) -> Res<()> {
    outbox::emit(tx, EventType::PermitGranted, About::User(user), now, || GrantedData {
        id: permit.id,
        app: &user.appid,
        openid: &user.openid,
        kind: permit.kind,
        template: permit.template.as_ref(),
        count: (!new.kind.is_unlimited()).then_some(new.count),
        expires_at: permit.expires_at,
    })
}

/// What is told of a grant.
#[derive(Serialize)]
struct GrantedData<'a> {
    id: PermitId,
    app: &'a AppId,
    openid: &'a OpenId,
    kind: PermitKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a TemplateId>,
    /// Units, unless they are unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<UnixMillis>,
}

/// Grants, without waking anybody. Returns the permit and whether its code was granted before.
pub(super) fn grant_one(
    db: &Connection,
    user: &User,
    new: &NewPermit,
    now: UnixMillis,
) -> Res<(Permit, bool)> {
    if let Some(mut permit) = find_granted(db, user, new)? {
        if permit.code.is_some() || (new.count == 0 && !new.kind.is_unlimited()) {
            return Ok((permit, true));
        }
        permit.units.grant(new.count, new.kind.is_unlimited());
        permit.granted_at = now;
        save(db, user, &permit)?;
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
    insert(db, user, &permit, new.claim.map(|claim| claim.origin))?;
    Ok((permit, false))
}

/// The permit that this grant adds to: the one of its code, or its counter.
pub(super) fn find_granted(db: &Connection, user: &User, new: &NewPermit) -> Res<Option<Permit>> {
    if let Some(code) = &new.code {
        return one(
            db,
            concat!(
                "SELECT ",
                columns!(),
                " FROM permits INDEXED BY permits_of_code WHERE lane = ?1 AND user = ?2 AND appid = ?3 AND openid = ?4 \
                 AND code = ?5 AND code IS NOT NULL"
            ),
            of_user![user, code],
            read,
        );
    }
    one(
        db,
        select_of_user!("AND code IS NULL AND kind = ?5 AND template IS ?6"),
        of_user![user, new.kind.code(), new.template.as_ref().map(|template| template.as_str())],
        read,
    )
}

/// The user's permits that have units left and have not expired.
pub(super) fn open(db: &Connection, user: &User, now: UnixMillis) -> Res<Vec<Permit>> {
    many(
        db,
        // Which of these serves is the ledger's to say; this only leaves out what cannot, so that a user's history
        // costs little.
        select_of_user!("AND expires_at > ?5 AND (granted > spent + revoked + held OR unlimited)"),
        of_user![user, now.0],
        read,
    )
}

/// The permit to send a message with, or to keep for it, that is still good at this moment.
pub(super) fn choose_for(db: &Connection, row: &MessageRow, good_until: UnixMillis) -> Res<Option<Permit>> {
    let permits = open(db, &row.user, good_until)?;
    Ok(choose(&permits, row.channel, &row.template, good_until).cloned())
}

/// All permits of a user, newest first.
pub(super) fn all(db: &Connection, user: &User) -> Res<Vec<Permit>> {
    many(db, select_of_user!("ORDER BY id DESC"), of_user![user], read)
}

/// Carries out [`crate::Store::permits`].
pub(super) fn permits_of(db: &Connection, user: &User, now: UnixMillis) -> Res<Vec<PermitView>> {
    let in_flight = permit_in_flight(db, user)?;
    Ok(all(db, user)?
        .into_iter()
        .map(|permit| {
            let totals = permit.totals(u32::from(in_flight == Some(permit.id)), now);
            PermitView { permit, totals }
        })
        .collect())
}
