//! Access tokens, and the tokens that the facade handed out in their place.

use hongyan_clock::UnixMillis;
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::rows::{Cells, change, one};
use super::trouble::Res;
use crate::types::{GatewayTokenRecord, TokenRecord};

/// Carries out [`crate::Store::put_token`].
pub(super) fn put(db: &Connection, token: &TokenRecord) -> Res<bool> {
    let kept = change(
        db,
        "INSERT INTO tokens (appid, value, generation, fetched_at, expires_at) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (appid) DO UPDATE SET value = excluded.value, generation = excluded.generation, \
         fetched_at = excluded.fetched_at, expires_at = excluded.expires_at \
         WHERE excluded.generation >= tokens.generation",
        params![
            token.appid.as_str(),
            token.value,
            token.generation.cast_signed(),
            token.fetched_at.0,
            token.expires_at.0
        ],
    )?;
    Ok(kept == 1)
}

/// Carries out [`crate::Store::token`].
pub(super) fn of(db: &Connection, appid: &AppId) -> Res<Option<TokenRecord>> {
    one(
        db,
        "SELECT appid, value, generation, fetched_at, expires_at FROM tokens WHERE appid = ?",
        [appid.as_str()],
        |cells: &mut Cells<'_>| {
            Ok(TokenRecord {
                appid: cells.parsed()?,
                value: cells.raw()?,
                generation: cells.count()?,
                fetched_at: cells.moment()?,
                expires_at: cells.moment()?,
            })
        },
    )
}

/// Carries out [`crate::Store::put_gateway_token`]. Each new one takes out those that have expired.
pub(super) fn put_gateway(db: &Connection, token: &GatewayTokenRecord) -> Res<()> {
    change(db, "DELETE FROM gateway_tokens WHERE expires_at <= ?", [token.created_at.0])?;
    change(
        db,
        "INSERT OR REPLACE INTO gateway_tokens (hash, appid, created_at, expires_at) VALUES (?, ?, ?, ?)",
        params![token.hash, token.appid.as_str(), token.created_at.0, token.expires_at.0],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::gateway_token`].
pub(super) fn gateway(db: &Connection, hash: [u8; 32], now: UnixMillis) -> Res<Option<GatewayTokenRecord>> {
    one(
        db,
        "SELECT hash, appid, created_at, expires_at FROM gateway_tokens WHERE hash = ? AND expires_at > ?",
        params![hash, now.0],
        |cells: &mut Cells<'_>| {
            Ok(GatewayTokenRecord {
                hash: cells.raw()?,
                appid: cells.parsed()?,
                created_at: cells.moment()?,
                expires_at: cells.moment()?,
            })
        },
    )
}
