//! Permits in SQLite.

use hongyan_clock::UnixMillis;
use hongyan_ledger::PermitId;
use hongyan_ledger::acceptance::{Source, Unpaired};
use hongyan_ledger::permit::{Origin, Permit, PermitKind};
use hongyan_ledger::units::Units;
use hongyan_wechat::TemplateId;
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many, one};
use super::memory::Transaction;
use super::messages::permit_in_flight;
use super::row_error::{RowError, RowResult};
use crate::rows::{PermitRows, User};
use crate::types::PermitView;

/// The columns of a permit, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "id, expires_at, kind, granted, spent, revoked, held, unlimited, granted_at, template, code"
    };
}

/// The common part of every query for a user's permits; its first three parameters are those of `of_user!`.
macro_rules! select_of_user {
    ($and:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM user_entries WHERE lane = ?1 AND user_no = ?2 AND entry = 0 AND appid = ?3 AND openid = ?4 ",
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

fn read(cells: &mut Cells<'_>) -> RowResult<Permit> {
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
        return Err(RowError::corrupt(format!("{id} has more units used than were granted")));
    }
    Ok(permit)
}

/// One permit of a user.
pub(super) fn find(db: &Connection, user: &User, id: PermitId) -> RowResult<Option<Permit>> {
    one(db, select_of_user!("AND id = ?5"), of_user![user, id.as_bytes()], read)
}

/// The condition for the row of one side's report.
macro_rules! one_report {
    ($statement:literal) => {
        concat!(
            $statement,
            " WHERE lane = ?1 AND user_no = ?2 AND appid = ?3 AND openid = ?4 AND template = ?5 AND source = ?6 AND at = ?7"
        )
    };
}

/// All permits of a user, newest first.
pub(super) fn all(db: &Connection, user: &User) -> RowResult<Vec<Permit>> {
    many(db, select_of_user!("ORDER BY id DESC"), of_user![user], read)
}

/// Carries out [`crate::Store::permits`].
pub(super) fn permits_of(db: &Connection, user: &User, now: UnixMillis) -> RowResult<Vec<PermitView>> {
    let in_flight = permit_in_flight(db, user)?;
    Ok(all(db, user)?
        .into_iter()
        .map(|permit| {
            let totals = permit.totals(u32::from(in_flight == Some(permit.id)), now);
            PermitView { permit, totals }
        })
        .collect())
}

impl PermitRows for Transaction<'_> {
    fn permit(&self, user: &User, id: PermitId) -> RowResult<Option<Permit>> {
        find(self, user, id)
    }

    fn permit_of_code(&self, user: &User, code: &str) -> RowResult<Option<Permit>> {
        one(
            self,
            concat!(
                "SELECT ",
                columns!(),
                " FROM user_entries INDEXED BY permits_of_code WHERE lane = ?1 AND user_no = ?2 AND appid = ?3 AND openid = ?4 \
                 AND code = ?5 AND code IS NOT NULL"
            ),
            of_user![user, code],
            read,
        )
    }

    fn counter(
        &self,
        user: &User,
        kind: PermitKind,
        template: Option<&TemplateId>,
    ) -> RowResult<Option<Permit>> {
        one(
            self,
            select_of_user!("AND code IS NULL AND kind = ?5 AND template IS ?6"),
            of_user![user, kind.code(), template.map(|template| template.as_str())],
            read,
        )
    }

    fn open_permits(&self, user: &User, now: UnixMillis) -> RowResult<Vec<Permit>> {
        many(
            self,
            // The ledger decides which of these permits serves. The condition only leaves out permits that cannot serve, so
            // that a user's history costs little.
            select_of_user!("AND expires_at > ?5 AND (granted > spent + revoked + held OR unlimited)"),
            of_user![user, now.0],
            read,
        )
    }

    fn permits(&self, user: &User) -> RowResult<Vec<Permit>> {
        all(self, user)
    }

    fn insert_permit(&self, user: &User, permit: &Permit, origin: Option<Origin>) -> RowResult<()> {
        let units = &permit.units;
        change(
            self,
            concat!(
                "INSERT INTO user_entries (lane, user_no, appid, openid, ",
                columns!(),
                ", origin, entry) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
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

    fn update_permit(&self, user: &User, permit: &Permit) -> RowResult<()> {
        debug_assert!(permit.totals(0, permit.granted_at).balance(), "{permit:?}");
        let units = &permit.units;
        let changed = change(
            self,
            "UPDATE user_entries SET granted = ?4, spent = ?5, revoked = ?6, held = ?7, unlimited = ?8, granted_at = ?9 \
             WHERE lane = ?1 AND user_no = ?2 AND entry = 0 AND id = ?3",
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
        if changed == 1 {
            Ok(())
        } else {
            Err(RowError::corrupt(format!("{} is not there any more", permit.id)))
        }
    }

    fn origin_of(&self, user: &User, id: PermitId) -> RowResult<Option<Origin>> {
        let origin = one(
            self,
            "SELECT origin FROM user_entries WHERE lane = ? AND user_no = ? AND entry = 0 AND id = ?",
            params![user.lane.number(), user.key(), id.as_bytes()],
            |cells| cells.raw::<Option<u8>>(),
        )?;
        Ok(origin.flatten().and_then(Origin::from_code))
    }

    fn count_claims(&self, user: &User, origin: Origin, now: UnixMillis) -> RowResult<u32> {
        let open: Option<u32> = one(
            self,
            "SELECT COUNT(*) FROM user_entries INDEXED BY permits_claimed WHERE lane = ? AND user_no = ? AND origin = ? \
             AND origin IS NOT NULL AND granted > spent + revoked + held AND expires_at > ?",
            params![user.lane.number(), user.key(), origin.code(), now.0],
            |cells| cells.raw(),
        )?;
        Ok(open.unwrap_or(0))
    }

    fn remove_claims(&self, user: &User, origin: Origin, now: UnixMillis, limit: u32) -> RowResult<()> {
        change(
            self,
            "DELETE FROM user_entries WHERE lane = ?1 AND user_no = ?2 AND entry = 0 AND id IN (SELECT id FROM user_entries \
             INDEXED BY permits_claimed WHERE lane = ?1 AND user_no = ?2 AND appid = ?3 AND openid = ?4 AND origin = ?5 \
             AND origin IS NOT NULL AND granted > spent + revoked + held AND expires_at > ?6 \
             AND spent + revoked + held = 0 ORDER BY expires_at, id LIMIT ?7)",
            of_user![user, origin.code(), now.0, limit],
        )?;
        Ok(())
    }

    fn revoke_claims(&self, user: &User, origin: Origin) -> RowResult<()> {
        change(
            self,
            "UPDATE user_entries SET revoked = granted - spent - held WHERE lane = ?1 AND user_no = ?2 AND entry = 0 \
             AND id IN (SELECT id FROM user_entries INDEXED BY permits_claimed WHERE lane = ?1 AND user_no = ?2 AND appid = ?3 AND openid = ?4 AND origin = ?5 \
             AND origin IS NOT NULL AND granted > spent + revoked + held)",
            of_user![user, origin.code()],
        )?;
        Ok(())
    }

    fn unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        at: UnixMillis,
    ) -> RowResult<Vec<Unpaired>> {
        many(
            self,
            "SELECT at, units FROM acceptances WHERE lane = ? AND user_no = ? AND appid = ? AND openid = ? AND template = ? \
             AND source = ? AND expires_at >= ? ORDER BY at",
            of_user![user, template.as_str(), source.code(), at.0],
            |cells: &mut Cells<'_>| Ok(Unpaired { at: cells.moment()?, units: cells.raw()? }),
        )
    }

    fn add_unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        unpaired: Unpaired,
        expires_at: UnixMillis,
    ) -> RowResult<()> {
        change(
            self,
            "INSERT INTO acceptances (lane, user_no, appid, openid, template, source, at, units, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (lane, user_no, appid, openid, template, source, at) DO UPDATE SET units = units + ?8",
            of_user![user, template.as_str(), source.code(), unpaired.at.0, unpaired.units, expires_at.0],
        )?;
        Ok(())
    }

    fn set_unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        unpaired: Unpaired,
    ) -> RowResult<()> {
        let Unpaired { at, units } = unpaired;
        if units == 0 {
            let row = of_user![user, template.as_str(), source.code(), at.0];
            change(self, one_report!("DELETE FROM acceptances"), row)?;
        } else {
            let row = of_user![user, template.as_str(), source.code(), at.0, units];
            change(self, one_report!("UPDATE acceptances SET units = ?8"), row)?;
        }
        Ok(())
    }
}
