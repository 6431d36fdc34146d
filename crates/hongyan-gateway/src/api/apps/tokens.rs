//! `/v1/apps/{appid}/tokens`: the gateway tokens of the facade; and WeChat's own access token.

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_clock::UnixMillis;
use hongyan_ledger::TokenId;
use hongyan_store::types::GatewayTokenRecord;
use hongyan_wechat::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::errcode::in_words;
use crate::problem::{Path, Problem};
use crate::schemas;
use crate::token::TokenError;

/// The gateway tokens of an app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GatewayTokenList)]
pub(super) struct TokensAnswer {
    /// Newest first, at most 1,000.
    tokens: Vec<TokenJson>,
}

/// A gateway token, without the token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GatewayToken)]
struct TokenJson {
    #[schema(value_type = schemas::TokenId)]
    id: TokenId,
    /// Who fetched it: the parameter `service` of the call, or else the name of the API key that was its `secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    service: Option<String>,
    #[schema(value_type = schemas::Time)]
    created_at: UnixMillis,
    #[schema(value_type = schemas::Time)]
    expires_at: UnixMillis,
    /// When the token was last used, to the minute or so. Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    last_used_at: Option<UnixMillis>,
}

/// How many tokens were revoked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RevokedTokens)]
pub(super) struct RevokedAnswer {
    revoked: u64,
}

/// WeChat's own access token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessToken)]
pub(super) struct AccessTokenAnswer {
    /// A holder of this token can do everything that the app can, without this gateway.
    access_token: String,
    /// When WeChat will stop taking it; sooner if the gateway replaces it.
    #[schema(value_type = schemas::Time)]
    expires_at: UnixMillis,
}

fn token_json(record: GatewayTokenRecord) -> TokenJson {
    let GatewayTokenRecord { id, service, created_at, expires_at, last_used_at, .. } = record;
    TokenJson { id, service, created_at, expires_at, last_used_at }
}

/// List the gateway tokens of an app.
///
/// The tokens themselves are never shown.
#[utoipa::path(
    get,
    path = "/v1/apps/{appid}/tokens",
    operation_id = "list_gateway_tokens",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    responses((status = 200, description = "Those that work.", body = TokensAnswer), Refusals),
)]
pub(super) async fn tokens(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<axum::Json<TokensAnswer>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let tokens = context.gateway_tokens.list(&app.record.appid).await?;
    Ok(axum::Json(TokensAnswer { tokens: tokens.into_iter().map(token_json).collect() }))
}

/// Revoke all gateway tokens of an app, at once. Who knows the gateway secret can fetch another.
///
/// A client of the facade then fetches another by itself.
#[utoipa::path(
    delete,
    path = "/v1/apps/{appid}/tokens",
    operation_id = "revoke_gateway_tokens",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    responses((status = 200, description = "How many there were.", body = RevokedAnswer), Refusals),
)]
pub(super) async fn revoke_all(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<axum::Json<RevokedAnswer>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let revoked = context.gateway_tokens.revoke(&app.record.appid, None).await?;
    Ok(axum::Json(RevokedAnswer { revoked }))
}

/// Revoke a gateway token, at once.
///
/// Whoever holds it is answered with 40001, and fetches another if it knows the gateway secret.
#[utoipa::path(
    delete,
    path = "/v1/apps/{appid}/tokens/{id}",
    operation_id = "revoke_gateway_token",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path), ("id" = schemas::TokenId, Path)),
    responses((status = 204, description = "Revoked."), Refusals),
)]
pub(super) async fn revoke(
    State(context): State<Context>,
    caller: Caller,
    Path((appid, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let id: TokenId = parse("id", &id)?;
    match context.gateway_tokens.revoke(&app.record.appid, Some(id)).await? {
        0 => Err(Problem::not_found(format!("{appid} has no gateway token {id} that works"))),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// See WeChat's own access token of an app. Needs the setting `reveal_access_token` and a key with this very scope;
/// each use is logged.
///
/// Off by default: software that can use the facade needs no real token.
#[utoipa::path(
    post,
    path = "/v1/apps/{appid}/access_token",
    operation_id = "reveal_access_token",
    tag = "apps",
    security(("api_key" = ["access_token"])),
    params(("appid" = schemas::AppId, Path)),
    responses((status = 200, description = "The token.", body = AccessTokenAnswer), Refusals),
)]
pub(super) async fn access_token(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<axum::Json<AccessTokenAnswer>, Problem> {
    let actor = caller.actor();
    let app = caller.app_at(&context, &appid)?;
    if !context.settings.reveal_access_token {
        tracing::warn!(app = %app.record.appid, by = actor.id, name = actor.name, "an access token was asked for and refused");
        let detail =
            "the setting reveal_access_token is off; software that can use the facade needs no real token";
        return Err(Problem::new(StatusCode::FORBIDDEN, "access_token_hidden", detail));
    }
    let token = context.apps.token(&app).await.map_err(no_token)?;
    tracing::warn!(app = %app.record.appid, by = actor.id, name = actor.name, "an access token was given away");
    Ok(axum::Json(AccessTokenAnswer {
        access_token: token.value.expose_secret().to_owned(),
        expires_at: token.expires_at,
    }))
}

fn no_token(error: TokenError) -> Problem {
    match error {
        TokenError::Paused { detail } => Problem::conflict("app_paused", detail),
        TokenError::Refused { errcode, errmsg } => {
            Problem::new(StatusCode::BAD_GATEWAY, "wechat_refused", in_words(errcode, &errmsg))
                .errcode(errcode, &errmsg)
        }
        TokenError::Unavailable(detail) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", detail).retry_after(5)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_a_token_is_described() {
        let moment = UnixMillis(1_700_000_000_000);
        let token = TokenJson {
            id: TokenId::from_bytes([7; 16]),
            service: Some("orders".into()),
            created_at: moment,
            expires_at: moment,
            last_used_at: Some(moment),
        };
        let token = serde_json::to_value(token).unwrap();
        let description = description();
        description.check("GatewayToken", &token);
        for name in description.members("GatewayToken") {
            assert!(token.get(&name).is_some(), "{name} is described but missing in the answer");
        }
        let answer = serde_json::json!({ "access_token": "x", "expires_at": moment });
        description.check("AccessToken", &answer);
    }
}
