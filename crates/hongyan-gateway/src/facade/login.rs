//! `GET /sns/jscode2session`: the caller is a back end that knows the gateway secret, so it gets the session_key,
//! as it would from WeChat. The gateway keeps it too.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use hongyan_wechat::Errcode;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::answer::Refusal;
use super::token::client;
use crate::login::exchange;
use crate::service::Context;

/// Its parameters.
#[derive(Deserialize)]
pub(super) struct LoginRequest {
    appid: Option<String>,
    secret: Option<String>,
    js_code: Option<String>,
    grant_type: Option<String>,
}

/// Exchanges a code.
pub(super) async fn jscode2session(
    State(context): State<Context>,
    Query(request): Query<LoginRequest>,
) -> Result<Response, Refusal> {
    let app = client(&context, request.appid.as_deref(), request.secret.as_deref()).await?;
    if request.grant_type.as_deref() != Some("authorization_code") {
        return Err(Refusal::new(Errcode::INVALID_GRANT_TYPE, "invalid grant_type"));
    }
    let code = request.js_code.ok_or_else(|| Refusal::new(Errcode(41_008), "missing code"))?;
    let answer = exchange(&context, &app, &code).await?;
    let mut body = json!({
        "openid": answer.openid,
        "session_key": answer.session_key.expose_secret(),
    });
    if let Some(unionid) = &answer.unionid {
        body["unionid"] = json!(unionid);
    }
    Ok(axum::Json(body).into_response())
}
