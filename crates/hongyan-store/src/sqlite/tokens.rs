//! Access tokens, and the tokens that the facade handed out in their place.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{KeyId, TokenId};
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many, one};
use super::row_error::RowResult;
use crate::types::{GatewayTokenRecord, TokenRecord};

/// Carries out [`crate::Store::token`].
pub(super) fn of(db: &Connection, appid: &AppId) -> RowResult<Option<TokenRecord>> {
    one(
        db,
        "SELECT appid, value, generation, fetched_at, expires_at FROM tokens WHERE appid = ?",
        [appid.as_str()],
        read_token,
    )
}

/// Carries out [`crate::Store::tokens`].
pub(super) fn all(db: &Connection) -> RowResult<Vec<TokenRecord>> {
    many(db, "SELECT appid, value, generation, fetched_at, expires_at FROM tokens", [], read_token)
}

fn read_token(cells: &mut Cells<'_>) -> RowResult<TokenRecord> {
    Ok(TokenRecord {
        appid: cells.parsed()?,
        value: cells.raw()?,
        generation: cells.count()?,
        fetched_at: cells.moment()?,
        expires_at: cells.moment()?,
    })
}

/// The columns of a handed-out token, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "id, hash, appid, service, created_at, expires_at, last_used_at, api_key"
    };
}

fn read(cells: &mut Cells<'_>) -> RowResult<GatewayTokenRecord> {
    Ok(GatewayTokenRecord {
        id: TokenId::from_bytes(cells.raw()?),
        hash: cells.raw()?,
        appid: cells.parsed()?,
        service: cells.raw()?,
        created_at: cells.moment()?,
        expires_at: cells.moment()?,
        last_used_at: cells.moment_or_none()?,
        key: cells.raw::<Option<_>>()?.map(KeyId::from_bytes),
    })
}

/// Writes a token that the facade handed out.
pub(super) fn put_gateway(db: &Connection, token: &GatewayTokenRecord) -> RowResult<()> {
    change(
        db,
        concat!("INSERT OR REPLACE INTO gateway_tokens (", columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
        params![
            token.id.as_bytes(),
            token.hash,
            token.appid.as_str(),
            token.service,
            token.created_at.0,
            token.expires_at.0,
            token.last_used_at.map(|at| at.0),
            token.key.as_ref().map(KeyId::as_bytes)
        ],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::gateway_token`].
pub(super) fn gateway(
    db: &Connection,
    hash: [u8; 32],
    now: UnixMillis,
) -> RowResult<Option<GatewayTokenRecord>> {
    one(
        db,
        concat!("SELECT ", columns!(), " FROM gateway_tokens WHERE hash = ? AND expires_at > ?"),
        params![hash, now.0],
        read,
    )
}

/// Carries out [`crate::Store::gateway_tokens`].
pub(super) fn gateway_of(
    db: &Connection,
    appid: &AppId,
    now: UnixMillis,
    limit: u32,
) -> RowResult<Vec<GatewayTokenRecord>> {
    many(
        db,
        concat!(
            "SELECT ",
            columns!(),
            " FROM gateway_tokens WHERE appid = ? AND expires_at > ? ORDER BY id DESC LIMIT ?"
        ),
        params![appid.as_str(), now.0, limit],
        read,
    )
}
