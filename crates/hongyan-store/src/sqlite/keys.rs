//! API keys.

use hongyan_ledger::KeyId;
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many, one};
use super::row_error::{RowError, RowResult};
use crate::types::{Actor, ActorKind, KeyRecord};

/// The columns of a key, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "id, name, hash, scopes, apps, created_at, expires_at, last_used_at, revoked_at, \
         created_by, created_by_id, created_by_name"
    };
}

fn read(cells: &mut Cells<'_>) -> RowResult<KeyRecord> {
    Ok(KeyRecord {
        id: KeyId::from_bytes(cells.raw()?),
        name: cells.raw()?,
        hash: cells.raw()?,
        scopes: {
            let json: String = cells.raw()?;
            serde_json::from_str(&json).map_err(|why| RowError::corrupt(format!("{json}: {why}")))?
        },
        apps: apps_from_json(cells.raw()?)?,
        created_at: cells.moment()?,
        expires_at: cells.moment_or_none()?,
        last_used_at: cells.moment_or_none()?,
        revoked_at: cells.moment_or_none()?,
        created_by: {
            let kind = cells.coded_or_none(ActorKind::from_code)?;
            let (id, name) = (cells.raw()?, cells.raw()?);
            kind.map(|kind| Actor { kind, id, name })
        },
    })
}

/// The apps that somebody may see, as their column has them.
pub(super) fn apps_from_json(json: Option<String>) -> RowResult<Option<Vec<AppId>>> {
    let Some(json) = json else { return Ok(None) };
    let appids: Vec<String> =
        serde_json::from_str(&json).map_err(|why| RowError::corrupt(format!("{json}: {why}")))?;
    let apps = appids.iter().map(|appid| appid.parse()).collect::<Result<_, _>>();
    Ok(Some(apps.map_err(|why| RowError::corrupt(format!("{json}: {why}")))?))
}

/// As their column wants them.
pub(super) fn apps_to_json(apps: Option<&[AppId]>) -> RowResult<Option<String>> {
    let appids = apps.map(|apps| apps.iter().map(AppId::as_str).collect::<Vec<_>>());
    let json = appids.map(|appids| serde_json::to_string(&appids)).transpose();
    json.map_err(|why| RowError::corrupt(format!("apps: {why}")))
}

/// Writes a new key.
pub(super) fn insert(db: &Connection, key: &KeyRecord) -> RowResult<()> {
    let failed = |why| RowError::corrupt(format!("scopes of {}: {why}", key.id));
    let scopes = serde_json::to_string(&key.scopes).map_err(failed)?;
    change(
        db,
        concat!("INSERT INTO api_keys (", columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
        params![
            key.id.as_bytes(),
            key.name,
            key.hash,
            scopes,
            apps_to_json(key.apps.as_deref())?,
            key.created_at.0,
            key.expires_at.map(|at| at.0),
            key.last_used_at.map(|at| at.0),
            key.revoked_at.map(|at| at.0),
            key.created_by.as_ref().map(|by| by.kind.code()),
            key.created_by.as_ref().and_then(|by| by.id.as_deref()),
            key.created_by.as_ref().and_then(|by| by.name.as_deref())
        ],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::key`].
pub(super) fn by_hash(db: &Connection, hash: [u8; 32]) -> RowResult<Option<KeyRecord>> {
    one(db, concat!("SELECT ", columns!(), " FROM api_keys WHERE hash = ?"), params![hash], read)
}

/// Carries out [`crate::Store::keys`].
pub(super) fn all(db: &Connection) -> RowResult<Vec<KeyRecord>> {
    many(db, concat!("SELECT ", columns!(), " FROM api_keys ORDER BY created_at, id"), [], read)
}
