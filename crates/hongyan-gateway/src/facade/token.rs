//! Both token calls, and whose token a call brings.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use hongyan_store::types::GatewayTokenRecord;
use hongyan_wechat::{AppId, Errcode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Refusal, TOKEN_MISSING};
use crate::apps::App;
use crate::keys::{KEY_PREFIX, Scope};
use crate::service::Context;
use crate::vault::{random_token, sha256};

/// How long a gateway token works: WeChat's own number, which SDKs know.
const LIFETIME: Duration = Duration::from_secs(7_200);

/// How much longer it is honoured than it is said to be, as WeChat honours a replaced token: clocks differ, and a
/// request may be on its way.
const GRACE: Duration = Duration::from_secs(300);

/// The parameters of both calls. Unknown ones are ignored, as WeChat does.
#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: Option<String>,
    appid: Option<String>,
    secret: Option<String>,
}

/// `GET /cgi-bin/token`
pub(super) async fn token(
    State(context): State<Context>,
    Query(request): Query<TokenRequest>,
) -> Result<Response, Refusal> {
    hand_out(&context, request).await
}

/// `POST /cgi-bin/stable_token`. SDKs differ in the content type they send; the body is JSON in any case.
pub(super) async fn stable_token(State(context): State<Context>, body: Bytes) -> Result<Response, Refusal> {
    let request = serde_json::from_slice(&body)
        .map_err(|error| Refusal::new(Errcode(47_001), format!("data format error: {error}")))?;
    hand_out(&context, request).await
}

async fn hand_out(context: &Context, request: TokenRequest) -> Result<Response, Refusal> {
    if request.grant_type.as_deref() != Some("client_credential") {
        return Err(Refusal::new(Errcode::INVALID_GRANT_TYPE, "invalid grant_type"));
    }
    let app = client(context, request.appid.as_deref(), request.secret.as_deref()).await?;
    let token = random_token("hyt_");
    let now = context.clock.now();
    context
        .store
        .put_gateway_token(GatewayTokenRecord {
            hash: sha256(token.expose_secret()),
            appid: app.record.appid.clone(),
            created_at: now,
            expires_at: now.plus(LIFETIME + GRACE),
        })
        .await?;
    Ok(axum::Json(json!({ "access_token": token.expose_secret(), "expires_in": LIFETIME.as_secs() }))
        .into_response())
}

/// The app that a client may speak for: it brings the app's gateway secret, or an API key with the scope `facade`,
/// which opens every app.
pub(super) async fn client(
    context: &Context,
    appid: Option<&str>,
    secret: Option<&str>,
) -> Result<Arc<App>, Refusal> {
    let appid = appid.ok_or_else(|| Refusal::new(Errcode::APPID_MISSING, "appid missing"))?;
    let secret = secret.ok_or_else(|| Refusal::new(Errcode::SECRET_MISSING, "appsecret missing"))?;
    let appid: AppId = appid.parse().map_err(|_| Refusal::new(Errcode::INVALID_APPID, "invalid appid"))?;
    let app = context.apps.get(&appid).ok_or_else(|| {
        Refusal::new(
            Errcode::INVALID_APPID,
            "invalid appid; hongyan: this app is not registered, see POST /v1/apps",
        )
    })?;
    let known = if secret.starts_with(KEY_PREFIX) {
        context.keys.authorize_key(secret, Scope::Facade).await.is_ok().then_some(app)
    } else {
        context.apps.check_gateway_secret(&appid, secret)
    };
    known.ok_or_else(|| {
        Refusal::new(
            Errcode::INVALID_SECRET,
            "invalid appsecret; hongyan: use the gateway_secret that registering the app gave, or an API key with \
             the scope facade, not the AppSecret",
        )
    })
}

/// The app whose gateway token a call brings.
pub(super) async fn app_of(context: &Context, access_token: Option<&str>) -> Result<Arc<App>, Refusal> {
    let token = access_token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Refusal::new(TOKEN_MISSING, "access_token missing"))?;
    let invalid = || {
        Refusal::new(
            Errcode::INVALID_CREDENTIAL,
            "invalid credential, access_token is invalid or not latest; hongyan: use one from this host",
        )
    };
    let known = context.store.gateway_token(sha256(token), context.clock.now()).await?.ok_or_else(invalid)?;
    context.apps.get(&known.appid).ok_or_else(invalid)
}
