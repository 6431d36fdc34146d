//! `POST /v1/login`: a login code becomes an openid.

use axum::extract::State;
use axum::http::HeaderMap;
use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId};
use serde::{Deserialize, Serialize};

use crate::intake::request::parse;
use crate::keys::Scope;
use crate::login::{Login, login as exchange};
use crate::problem::{Json, Problem};
use crate::service::Context;

/// A code that `wx.login` gave.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    app: String,
    code: String,
}

/// Whose code it was.
#[derive(Debug, Serialize)]
pub(super) struct LoginAnswer {
    openid: OpenId,
    #[serde(skip_serializing_if = "Option::is_none")]
    unionid: Option<String>,
    /// Opaque; the mini program may use it at `/mp`. The session_key stays here.
    session: String,
    session_expires_at: UnixMillis,
}

/// Exchanges a code.
pub(super) async fn login(
    State(context): State<Context>,
    headers: HeaderMap,
    Json(request): Json<LoginRequest>,
) -> Result<axum::Json<LoginAnswer>, Problem> {
    context.keys.authorize(&headers, Scope::Permits).await?;
    let appid: AppId = parse("app", &request.app)?;
    let login = exchange_code(&context, &appid, &request.code).await?;
    Ok(axum::Json(LoginAnswer {
        openid: login.openid,
        unionid: login.unionid,
        session: secrecy::ExposeSecret::expose_secret(&login.session).to_owned(),
        session_expires_at: login.expires_at,
    }))
}

/// The same for both of the gateway's login calls.
pub(super) async fn exchange_code(context: &Context, appid: &AppId, code: &str) -> Result<Login, Problem> {
    let days = context.settings.session_days;
    exchange(&context.apps, &*context.store, &context.vault, &context.clock, days, appid, code).await
}
