//! The audit trail: a line is written before a change, and completed after it.

use hongyan_clock::UnixMillis;
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many};
use super::keys::apps_to_json;
use super::memory::Transaction;
use super::row_error::RowResult;
use crate::rows::AuditRows;
use crate::types::{Actor, ActorKind, AuditEnd, AuditEntry, AuditFilter, NewAudit, Subject};

impl AuditRows for Transaction<'_> {
    fn insert_audit(&self, new: &NewAudit) -> RowResult<i64> {
        change(
            self,
            "INSERT INTO audit (at, actor, actor_id, actor_name, call, appid, object) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                new.at.0,
                new.actor.kind.code(),
                new.actor.id,
                new.actor.name,
                new.call,
                new.subject.appid.as_ref().map(AppId::as_str),
                new.subject.object,
            ],
        )?;
        Ok(self.last_insert_rowid())
    }

    fn end_audit(&self, number: i64, end: &AuditEnd) -> RowResult<()> {
        change(
            self,
            "UPDATE audit SET result = ?2, appid = COALESCE(appid, ?3), object = COALESCE(object, ?4), fields = ?5 \
             WHERE number = ?1",
            params![
                number,
                end.result,
                end.subject.appid.as_ref().map(AppId::as_str),
                end.subject.object,
                (!end.fields.is_empty()).then(|| end.fields.join(",")),
            ],
        )?;
        Ok(())
    }

    fn delete_old_audit(&self, before: UnixMillis, limit: u32) -> RowResult<u32> {
        let removed = change(
            self,
            "DELETE FROM audit WHERE number IN (SELECT number FROM audit WHERE at < ? ORDER BY at LIMIT ?)",
            params![before.0, limit],
        )?;
        Ok(removed as u32)
    }
}

/// Carries out [`crate::Store::audit`].
pub(super) fn list(db: &Connection, filter: &AuditFilter) -> RowResult<Vec<AuditEntry>> {
    many(
        db,
        "SELECT number, at, actor, actor_id, actor_name, call, appid, object, fields, result FROM audit \
         WHERE number < ?1 AND at >= ?2 AND at < ?3 \
         AND (?4 IS NULL OR appid IN (SELECT value FROM json_each(?4))) ORDER BY number DESC LIMIT ?5",
        params![
            filter.before.unwrap_or(i64::MAX),
            filter.since.map_or(i64::MIN, |at| at.0),
            filter.until.unwrap_or(UnixMillis::MAX).0,
            apps_to_json(filter.apps.as_deref())?,
            filter.limit
        ],
        |cells: &mut Cells<'_>| {
            Ok(AuditEntry {
                number: cells.raw()?,
                entry: NewAudit {
                    at: cells.moment()?,
                    actor: Actor {
                        kind: cells.coded(ActorKind::from_code)?,
                        id: cells.raw()?,
                        name: cells.raw()?,
                    },
                    call: cells.raw()?,
                    subject: Subject { appid: cells.parsed_or_none()?, object: cells.raw()? },
                },
                fields: cells
                    .raw::<Option<String>>()?
                    .map_or_else(Vec::new, |names| names.split(',').map(str::to_owned).collect()),
                result: cells.raw()?,
            })
        },
    )
}
