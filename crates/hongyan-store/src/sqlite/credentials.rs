//! Credentials: the port's questions and writes in SQLite. The reads for people and for the gateway are in the module of
//! each kind.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{KeyId, Lane, TokenId};
use hongyan_wechat::{AppId, OpenId};
use rusqlite::params;

use super::cells::{change, one};
use super::memory::Transaction;
use super::row_error::RowResult;
use super::{callers, keys, tokens};
use crate::rows::CredentialRows;
use crate::types::{CallerId, CallerNumber, GatewayTokenRecord, KeyRecord, LoginRecord, TokenRecord};

impl CredentialRows for Transaction<'_> {
    fn token_generation(&self, appid: &AppId) -> RowResult<Option<u64>> {
        one(self, "SELECT generation FROM tokens WHERE appid = ?", [appid.as_str()], |cells| cells.count())
    }

    fn delete_token(&self, appid: &AppId) -> RowResult<()> {
        change(self, "DELETE FROM tokens WHERE appid = ?", [appid.as_str()])?;
        Ok(())
    }

    fn put_token(&self, token: &TokenRecord) -> RowResult<()> {
        change(
            self,
            "INSERT INTO tokens (appid, value, generation, fetched_at, expires_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (appid) DO UPDATE SET value = excluded.value, generation = excluded.generation, \
             fetched_at = excluded.fetched_at, expires_at = excluded.expires_at",
            params![
                token.appid.as_str(),
                token.value,
                token.generation.cast_signed(),
                token.fetched_at.0,
                token.expires_at.0
            ],
        )?;
        Ok(())
    }

    fn put_gateway_token(&self, token: &GatewayTokenRecord) -> RowResult<()> {
        tokens::put_gateway(self, token)
    }

    fn gateway_token_used(&self, hash: [u8; 32], now: UnixMillis) -> RowResult<()> {
        change(self, "UPDATE gateway_tokens SET last_used_at = ?2 WHERE hash = ?1", params![hash, now.0])?;
        Ok(())
    }

    fn delete_gateway_tokens(&self, appid: &AppId, id: Option<TokenId>, now: UnixMillis) -> RowResult<u64> {
        let revoked = match id {
            Some(id) => change(
                self,
                "DELETE FROM gateway_tokens WHERE appid = ? AND id = ? AND expires_at > ?",
                params![appid.as_str(), id.as_bytes(), now.0],
            )?,
            None => change(
                self,
                "DELETE FROM gateway_tokens WHERE appid = ? AND expires_at > ?",
                params![appid.as_str(), now.0],
            )?,
        };
        Ok(revoked as u64)
    }

    fn delete_gateway_tokens_of_key(&self, key: KeyId) -> RowResult<()> {
        change(self, "DELETE FROM gateway_tokens WHERE api_key = ?", params![key.as_bytes()])?;
        Ok(())
    }

    fn delete_expired_gateway_tokens(&self, now: UnixMillis, limit: u32) -> RowResult<u32> {
        Ok(change(
            self,
            "DELETE FROM gateway_tokens WHERE hash IN (SELECT hash FROM gateway_tokens \
             WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
            params![now.0, limit],
        )? as u32)
    }

    fn caller(&self, caller: CallerId) -> RowResult<Option<CallerNumber>> {
        callers::number(self, caller)
    }

    fn insert_caller(&self, caller: CallerId) -> RowResult<CallerNumber> {
        callers::insert(self, caller)
    }

    fn insert_key(&self, key: &KeyRecord) -> RowResult<()> {
        keys::insert(self, key)
    }

    fn key_used(&self, id: KeyId, now: UnixMillis) -> RowResult<()> {
        change(self, "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1", params![id.as_bytes(), now.0])?;
        Ok(())
    }

    fn revoke_key(&self, id: KeyId, now: UnixMillis) -> RowResult<bool> {
        let revoked = change(
            self,
            "UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
            params![id.as_bytes(), now.0],
        )?;
        Ok(revoked == 1)
    }

    fn put_session_key(&self, login: &LoginRecord) -> RowResult<()> {
        let lane = lane_of(login);
        change(
            self,
            "INSERT INTO users (lane, appid, openid, unionid, session_key, logged_in_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (lane, appid, openid) DO UPDATE SET \
             unionid = COALESCE(excluded.unionid, unionid), previous_session_key = session_key, \
             session_key = excluded.session_key, logged_in_at = excluded.logged_in_at",
            params![
                lane,
                login.appid.as_str(),
                login.openid.as_str(),
                login.unionid,
                login.session_key,
                login.at.0
            ],
        )?;
        Ok(())
    }

    fn put_session(&self, login: &LoginRecord) -> RowResult<()> {
        let lane = lane_of(login);
        change(
            self,
            "INSERT OR REPLACE INTO sessions (lane, hash, appid, openid, expires_at) VALUES (?, ?, ?, ?, ?)",
            params![
                lane,
                login.session_hash,
                login.appid.as_str(),
                login.openid.as_str(),
                login.expires_at.0
            ],
        )?;
        Ok(())
    }

    fn delete_sessions_beside(&self, login: &LoginRecord, others: u32) -> RowResult<()> {
        let lane = lane_of(login);
        change(
            self,
            "DELETE FROM sessions WHERE lane = ?1 AND hash IN (SELECT hash FROM sessions INDEXED BY sessions_of_user \
             WHERE lane = ?1 AND appid = ?2 AND openid = ?3 AND hash <> ?4 ORDER BY expires_at DESC LIMIT -1 OFFSET ?5)",
            params![lane, login.appid.as_str(), login.openid.as_str(), login.session_hash, others],
        )?;
        Ok(())
    }

    fn delete_expired_sessions(&self, lane: Lane, now: UnixMillis, limit: u32) -> RowResult<u32> {
        Ok(change(
            self,
            "DELETE FROM sessions WHERE lane = ?1 AND hash IN (SELECT hash FROM sessions \
             WHERE lane = ?1 AND expires_at <= ?2 ORDER BY expires_at LIMIT ?3)",
            params![lane.number(), now.0, limit],
        )? as u32)
    }

    fn delete_sessions(
        &self,
        lane: Lane,
        appid: &AppId,
        openid: Option<&OpenId>,
        limit: u32,
    ) -> RowResult<u32> {
        Ok(change(
            self,
            "DELETE FROM sessions WHERE lane = ?1 AND hash IN (SELECT hash FROM sessions INDEXED BY sessions_of_user \
             WHERE lane = ?1 AND appid = ?2 AND (?3 IS NULL OR openid = ?3) LIMIT ?4)",
            params![lane.number(), appid.as_str(), openid.map(OpenId::as_str), limit],
        )? as u32)
    }

    fn delete_session_keys(&self, lane: Lane, appid: &AppId, limit: u32) -> RowResult<u32> {
        Ok(change(
            self,
            "DELETE FROM users WHERE lane = ?1 AND appid = ?2 AND openid IN \
             (SELECT openid FROM users WHERE lane = ?1 AND appid = ?2 LIMIT ?3)",
            params![lane.number(), appid.as_str(), limit],
        )? as u32)
    }
}

/// The lane of the user who logged in, as a number.
fn lane_of(login: &LoginRecord) -> u8 {
    Lane::of(&login.appid, &login.openid).number()
}
