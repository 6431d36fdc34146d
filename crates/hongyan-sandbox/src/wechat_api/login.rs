//! `GET /sns/jscode2session`, `GET /wxa/checksession`, `GET /wxa/resetusersessionkey`.
//!
//! Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hongyan_wechat::{AppId, Errcode};
use serde_json::json;
use sha2::Sha256;

use super::call::{Call, Outcome, Refusal, app_by_secret};
use crate::magic::Place;
use crate::random;
use crate::state::{State, User};

/// The user that a magic code logs in.
const MAGIC_USER: &str = "sandbox-ok";

/// Exchanges a login code for the user's openid and a new session key. The earlier session key becomes invalid.
pub(super) fn code_to_session(state: &mut State, call: &mut Call) -> Outcome {
    let (appid, secret) = (call.param("appid").map(str::to_owned), call.param("secret").map(str::to_owned));
    let appid = app_by_secret(state, call, appid.as_deref(), secret.as_deref())?;
    if call.param("grant_type") != Some("authorization_code") {
        return Err(Errcode::INVALID_GRANT_TYPE.into());
    }
    let code = call.param("js_code").ok_or(Errcode::CODE_MISSING)?;
    let is_magic = call.magic.as_ref().is_some_and(|found| found.place == Place::Code);
    let openid = if is_magic {
        // A refusing magic code does not get here.
        MAGIC_USER.parse().map_err(|_| Errcode::INVALID_CODE)?
    } else {
        state.codes.exchange(&appid, code, call.now)?
    };
    call.concerns(openid.as_str());
    let most = state.limits.users;
    let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_CODE)?;
    let (_, user) = app.user(openid.as_str(), most).ok_or(Errcode::INVALID_CODE)?;
    let session_key = new_session_key();
    user.session_key = Some(session_key.clone());
    Ok(json!({ "session_key": session_key, "openid": openid }))
}

/// Checks that the signature was made with the current session key.
pub(super) fn check_session(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    signed_user(state, call, &appid)?;
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}

/// Replaces the session key, if the signature was made with the current session key.
pub(super) fn reset_session_key(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let session_key = new_session_key();
    signed_user(state, call, &appid)?.session_key = Some(session_key.clone());
    Ok(json!({
        "errcode": 0, "errmsg": "ok", "openid": call.param("openid"), "session_key": session_key,
    }))
}

/// The user whose session key signed the call.
fn signed_user<'a>(state: &'a mut State, call: &mut Call, appid: &AppId) -> Result<&'a mut User, Refusal> {
    let openid = call.param("openid").ok_or(Errcode::INVALID_OPENID)?.to_owned();
    call.concerns(&openid);
    let user = state
        .apps
        .get_mut(appid)
        .and_then(|app| app.users.get_mut(openid.as_str()))
        .ok_or(Errcode::INVALID_OPENID)?;
    if call.param("sig_method") != Some("hmac_sha256") {
        return Err(Errcode::INVALID_SIG_METHOD.into());
    }
    let key = user.session_key.as_deref().ok_or(Errcode::SESSION_KEY_EXPIRED)?;
    if call.param("signature") != Some(signature(key).as_str()) {
        return Err(Errcode::INVALID_SIGNATURE.into());
    }
    Ok(user)
}

/// The proof that a caller knows the session key: the signature of an empty text with this key.
pub(super) fn signature(session_key: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(session_key.as_bytes()).expect("HMAC takes keys of any length");
    hex::encode(mac.finalize().into_bytes())
}

fn new_session_key() -> String {
    STANDARD.encode(random::bytes::<16>())
}
