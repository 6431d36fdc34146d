//! Credentials: the verbs that need more than one write.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{KeyId, Lane, TokenId};
use hongyan_wechat::{AppId, OpenId};

use crate::row_error::RowResult;
use crate::rows::Rows;
use crate::types::{CallerId, CallerNumber, GatewayTokenRecord, LoginRecord, TokenRecord};

/// How many sessions a user may have: one for each place where the mini program runs, and some to spare.
const MAX_SESSIONS_OF_USER: u32 = 10;

/// Carries out [`crate::Store::put_token`]. An older generation never overwrites a newer one. Turns (`lease_token`) make
/// sure that no generation is given out twice. The same generation may be stored again: WeChat may return the same token
/// with a later end.
pub(crate) fn put_token(rows: &impl Rows, token: &TokenRecord) -> RowResult<bool> {
    if rows.token_generation(&token.appid)?.is_some_and(|known| known > token.generation) {
        return Ok(false);
    }
    rows.put_token(token)?;
    Ok(true)
}

/// Carries out [`crate::Store::put_gateway_token`]. Each new token also removes expired tokens.
pub(crate) fn put_gateway_token(rows: &impl Rows, token: &GatewayTokenRecord) -> RowResult<()> {
    rows.delete_expired_gateway_tokens(token.created_at, u32::MAX)?;
    rows.put_gateway_token(token)
}

/// Carries out [`crate::Store::caller`].
pub(crate) fn caller(rows: &impl Rows, caller: CallerId) -> RowResult<CallerNumber> {
    match rows.caller(caller)? {
        Some(number) => Ok(number),
        None => rows.insert_caller(caller),
    }
}

/// Carries out [`crate::Store::revoke_key`]. The tokens that were handed out to the key are removed, too.
pub(crate) fn revoke_key(rows: &impl Rows, id: KeyId, now: UnixMillis) -> RowResult<bool> {
    let revoked = rows.revoke_key(id, now)?;
    rows.delete_gateway_tokens_of_key(id)?;
    rows.signals().revoked();
    Ok(revoked)
}

/// Carries out [`crate::Store::revoke_gateway_tokens`].
pub(crate) fn revoke_gateway_tokens(
    rows: &impl Rows,
    appid: &AppId,
    id: Option<TokenId>,
    now: UnixMillis,
) -> RowResult<u64> {
    let revoked = rows.delete_gateway_tokens(appid, id, now)?;
    rows.signals().revoked();
    Ok(revoked)
}

/// Carries out [`crate::Store::put_login`]. A second `wx.login` replaces the session_key while the first may still be in
/// use, so the last two are kept. Each login also removes expired sessions of the lane, and the user's oldest sessions
/// beyond the limit.
pub(crate) fn put_login(rows: &impl Rows, login: &LoginRecord) -> RowResult<()> {
    rows.put_session_key(login)?;
    rows.delete_expired_sessions(Lane::of(&login.appid, &login.openid), login.at, u32::MAX)?;
    rows.put_session(login)?;
    rows.delete_sessions_beside(login, MAX_SESSIONS_OF_USER - 1)
}

/// Carries out [`crate::Store::end_sessions`]. A user's sessions are in one lane, an app's sessions in all lanes.
pub(crate) fn end_sessions(
    rows: &impl Rows,
    appid: &AppId,
    openid: Option<&OpenId>,
    limit: u32,
) -> RowResult<u32> {
    let lanes = openid.map_or_else(|| Lane::all().collect(), |openid| vec![Lane::of(appid, openid)]);
    let mut ended = 0;
    for lane in lanes {
        ended += rows.delete_sessions(lane, appid, openid, limit - ended)?;
    }
    Ok(ended)
}

/// Carries out [`crate::Store::forget_users`].
pub(crate) fn forget_users(rows: &impl Rows, appid: &AppId, limit: u32) -> RowResult<u32> {
    let mut forgotten = 0;
    for lane in Lane::all() {
        forgotten += rows.delete_session_keys(lane, appid, limit - forgotten)?;
    }
    Ok(forgotten)
}
