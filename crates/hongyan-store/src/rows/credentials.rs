//! Credentials: access tokens, tokens that the facade handed out, API keys, users' session keys and sessions.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{KeyId, Lane, TokenId};
use hongyan_wechat::{AppId, OpenId};

use crate::row_error::RowResult;
use crate::types::{CallerId, CallerNumber, GatewayTokenRecord, KeyRecord, LoginRecord, TokenRecord};

/// Questions about credentials, and writes of credentials.
pub(crate) trait CredentialRows {
    /// The generation of an app's access token.
    fn token_generation(&self, appid: &AppId) -> RowResult<Option<u64>>;

    /// Removes an app's access token.
    fn delete_token(&self, appid: &AppId) -> RowResult<()>;

    /// Writes an app's access token.
    fn put_token(&self, token: &TokenRecord) -> RowResult<()>;

    /// Writes a token that the facade handed out.
    fn put_gateway_token(&self, token: &GatewayTokenRecord) -> RowResult<()>;

    /// Writes when a handed-out token was last used.
    fn gateway_token_used(&self, hash: [u8; 32], now: UnixMillis) -> RowResult<()>;

    /// Removes an app's handed-out tokens that have not expired, or only the token with this id. Returns how many.
    fn delete_gateway_tokens(&self, appid: &AppId, id: Option<TokenId>, now: UnixMillis) -> RowResult<u64>;

    /// Removes the tokens that were handed out to an API key.
    fn delete_gateway_tokens_of_key(&self, key: KeyId) -> RowResult<()>;

    /// Removes handed-out tokens that have expired, at most `limit`. Returns how many.
    fn delete_expired_gateway_tokens(&self, now: UnixMillis, limit: u32) -> RowResult<u32>;

    /// Writes a new API key.
    fn insert_key(&self, key: &KeyRecord) -> RowResult<()>;

    /// The number of a caller that is stored.
    fn caller(&self, caller: CallerId) -> RowResult<Option<CallerNumber>>;

    /// Writes a caller that is not stored, with its present name.
    fn insert_caller(&self, caller: CallerId) -> RowResult<CallerNumber>;

    /// Writes when an API key was last used.
    fn key_used(&self, id: KeyId, now: UnixMillis) -> RowResult<()>;

    /// Writes that an API key is revoked. `false`: there is no such key, or it is revoked already.
    fn revoke_key(&self, id: KeyId, now: UnixMillis) -> RowResult<bool>;

    /// Writes a user's session_key; the previous session_key is kept, too.
    fn put_session_key(&self, login: &LoginRecord) -> RowResult<()>;

    /// Writes a session.
    fn put_session(&self, login: &LoginRecord) -> RowResult<()>;

    /// Removes a user's sessions except this one and the `others` that end last.
    fn delete_sessions_beside(&self, login: &LoginRecord, others: u32) -> RowResult<()>;

    /// Removes a lane's expired sessions, at most `limit`. Returns how many.
    fn delete_expired_sessions(&self, lane: Lane, now: UnixMillis, limit: u32) -> RowResult<u32>;

    /// Removes sessions of an app in a lane, or of one user, at most `limit`. Returns how many.
    fn delete_sessions(
        &self,
        lane: Lane,
        appid: &AppId,
        openid: Option<&OpenId>,
        limit: u32,
    ) -> RowResult<u32>;

    /// Removes session keys of an app in a lane, at most `limit`. Returns how many.
    fn delete_session_keys(&self, lane: Lane, appid: &AppId, limit: u32) -> RowResult<u32>;
}
