//! `GET /cgi-bin/token` and `POST /cgi-bin/stable_token`.
//!
//! Sources: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getaccesstoken.html>,
//! <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getstableaccesstoken.html>.

use hongyan_wechat::Errcode;
use serde_json::json;

use super::call::{Call, Outcome, app_by_secret};
use crate::state::State;
use crate::state::tokens::Issued;

const GRANT_TYPE: &str = "client_credential";

/// Makes a new token; its predecessor stays valid for five more minutes.
pub(super) fn token(state: &mut State, call: &mut Call) -> Outcome {
    if call.param("grant_type") != Some(GRANT_TYPE) {
        return Err(Errcode::INVALID_GRANT_TYPE.into());
    }
    let (appid, secret) = (call.param("appid").map(str::to_owned), call.param("secret").map(str::to_owned));
    let appid = app_by_secret(state, call, appid.as_deref(), secret.as_deref())?;
    Ok(answer(&state.tokens.fetch(&appid, call.now, state.limits.tokens)))
}

/// Returns the current token, or makes a new token by force.
pub(super) fn stable_token(state: &mut State, call: &mut Call) -> Outcome {
    let body = call.members()?;
    if body.text("grant_type") != Some(GRANT_TYPE) {
        return Err(Errcode::INVALID_GRANT_TYPE.into());
    }
    let appid = app_by_secret(state, call, body.text("appid"), body.text("secret"))?;
    let is_forced = *body.get("force_refresh") == true;
    Ok(answer(&state.tokens.stable(&appid, is_forced, call.now, state.limits.tokens)?))
}

fn answer(issued: &Issued) -> serde_json::Value {
    json!({ "access_token": issued.token, "expires_in": issued.expires_in.as_secs() })
}
