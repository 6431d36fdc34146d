//! `GET /sns/jscode2session`, and `POST` with the parameters in the query. The caller is a back end that knows the gateway
//! secret, so it gets the session_key as it would from WeChat. The gateway keeps the session_key too.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hongyan_wechat::Errcode;
use secrecy::ExposeSecret;
use serde_json::json;

use super::answer::Refusal;
use super::request::Parameters;
use super::token::client;
use crate::context::Context;
use crate::door::outgoing::Behalf;
use crate::login::exchange;

/// Exchanges a code.
pub(super) async fn jscode2session(
    State(context): State<Context>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let client = client(&context, parameters.get("appid"), parameters.get("secret")).await?;
    if parameters.get("grant_type") != Some("authorization_code") {
        return Err(Refusal::new(Errcode::INVALID_GRANT_TYPE, "invalid grant_type"));
    }
    let code = parameters.get("js_code").ok_or_else(|| Refusal::new(Errcode(41_008), "missing code"))?;
    let _place = context.outgoing.place(Behalf::Caller).await.map_err(Refusal::no_place)?;
    let answer =
        exchange(&context.apps, &*context.store, &context.vault, &context.clock, &client.app, code).await?;
    let mut body = json!({
        "openid": answer.openid,
        "session_key": answer.session_key.expose_secret(),
    });
    if let Some(unionid) = &answer.unionid {
        body["unionid"] = json!(unionid);
    }
    Ok(axum::Json(body).into_response())
}
