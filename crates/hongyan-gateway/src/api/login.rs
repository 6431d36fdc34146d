//! `POST /v1/login`: a login code becomes an openid.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::Refusals;
use crate::api::caller::Caller;
use crate::context::Context;
use crate::door::outgoing::{Behalf, NoPlace};
use crate::intake::request::parse;
use crate::login::{Login, login as exchange};
use crate::problem::{Json, Problem};
use crate::schemas;

/// A login code from `wx.login`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
pub(super) struct LoginRequest {
    /// The app.
    #[schema(value_type = schemas::AppId)]
    app: String,
    /// The login code. It works once, within five minutes.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    code: String,
}

/// The user who logged in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoggedInUser)]
pub(super) struct LoginAnswer {
    #[schema(value_type = schemas::OpenId)]
    openid: OpenId,
    /// The unionid, if WeChat gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unionid: Option<String>,
    /// An opaque session that the mini program may use at `/mp`. The session_key stays in the gateway.
    session: String,
    #[schema(value_type = schemas::Time)]
    session_expires_at: UnixMillis,
}

/// Exchange a login code for an openid.
///
/// The gateway keeps WeChat's session_key, encrypted. A code works once, within five minutes.
#[utoipa::path(
    post,
    path = "/v1/login",
    operation_id = "login",
    tag = "logins",
    security(("api_key" = ["permits"])),
    request_body = LoginRequest,
    responses((status = 200, description = "The user who logged in.", body = LoginAnswer), Refusals),
)]
pub(super) async fn login(
    State(context): State<Context>,
    caller: Caller,
    Json(request): Json<LoginRequest>,
) -> Result<axum::Json<LoginAnswer>, Problem> {
    let appid: AppId = parse("app", &request.app)?;
    caller.app(&context, &appid)?;
    let login = exchange_code(&context, Behalf::Caller, &appid, &request.code).await?;
    Ok(axum::Json(LoginAnswer {
        openid: login.openid,
        unionid: login.unionid,
        session: secrecy::ExposeSecret::expose_secret(&login.session).to_owned(),
        session_expires_at: login.expires_at,
    }))
}

/// Exchanges a code, for both of the gateway's login calls.
pub(super) async fn exchange_code(
    context: &Context,
    behalf: Behalf,
    appid: &AppId,
    code: &str,
) -> Result<Login, Problem> {
    let days = context.settings.session_days;
    let _place = context.outgoing.place(behalf).await.map_err(|NoPlace| {
        Problem::unavailable("the maximum number of calls to WeChat is under way (the setting wechat_calls)")
    })?;
    exchange(&context.apps, &*context.store, &context.vault, &context.clock, days, appid, code).await
}
