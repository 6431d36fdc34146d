//! `POST /cgi-bin/openapi/quota/get`, `POST /cgi-bin/openapi/rid/get`, `POST /cgi-bin/clear_quota`, `POST /cgi-bin/clear_quota/v2`.
//!
//! Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/openApi-mgnt/api_getapiquota.html>.

use hongyan_wechat::Errcode;
use serde_json::json;

use super::call::{Call, Members, Outcome, Refusal, app_by_secret};
use crate::state::State;

/// The rest of a daily quota. `is_known` says whether there is a call with this path.
pub(super) fn get(state: &mut State, call: &mut Call, is_known: fn(&str) -> bool) -> Outcome {
    let appid = call.app_by_token(state)?;
    let body = call.members()?;
    let cgi_path = body.text("cgi_path").unwrap_or_default();
    if cgi_path.starts_with("/sns/") {
        return Err(Errcode::CGI_PATH_FORBIDDEN.into());
    }
    if !is_known(cgi_path) {
        return Err(Errcode::CGI_PATH_NOT_FOUND.into());
    }
    let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?;
    let usage = app.quotas.usage(cgi_path, call.now);
    let remain = usage.daily_limit.saturating_sub(usage.used);
    Ok(json!({
        "errcode": 0, "errmsg": "ok",
        "quota": { "daily_limit": usage.daily_limit, "used": usage.used, "remain": remain },
    }))
}

/// The request behind a `rid` in an errmsg.
pub(super) fn rid(state: &mut State, call: &mut Call) -> Outcome {
    let appid = call.app_by_token(state)?;
    let body = call.members()?;
    let asked = state.rids.find(body.text("rid").unwrap_or_default(), &appid, call.now)?;
    Ok(json!({ "errcode": 0, "errmsg": "ok", "request": {
        "invoke_time": asked.invoke_time.as_seconds(), "cost_in_ms": 1, "client_ip": "127.0.0.1",
        "request_url": asked.request_url, "request_body": asked.request_body,
        "response_body": asked.response_body,
    } }))
}

/// Resets the app's counters, with an access token.
pub(super) fn clear(state: &mut State, call: &mut Call) -> Outcome {
    // This call does not count against the quota: it must work when the quota is used up.
    let token = call.param("access_token").ok_or(Errcode::TOKEN_MISSING)?;
    let appid = state.tokens.check(token, call.now)?.clone();
    call.about_app = Some(appid.clone());
    let body = call.members()?;
    if body.text("appid") != Some(appid.as_str()) {
        return Err(Refusal::from(Errcode::INVALID_APPID));
    }
    state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?.quotas.clear(call.now)?;
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}

/// Resets the app's counters, with the AppSecret. The parameters may be in the query or in the body.
pub(super) fn clear_by_secret(state: &mut State, call: &mut Call) -> Outcome {
    let body = if call.body.is_empty() { Members::default() } else { call.members()? };
    let given = |name| body.text(name).or_else(|| call.param(name)).map(str::to_owned);
    let (appid, secret) = (given("appid"), given("appsecret"));
    let appid = app_by_secret(state, call, appid.as_deref(), secret.as_deref())?;
    state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?.quotas.clear(call.now)?;
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}
