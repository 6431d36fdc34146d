//! Both token calls, and the app that a call's token belongs to.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hongyan_ledger::KeyId;
use hongyan_store::types::KeyRecord;
use hongyan_wechat::{AppId, Errcode};
use secrecy::ExposeSecret;
use serde_json::json;

use super::answer::Refusal;
use super::refused::Wrong;
use super::request::{MAX_CREDENTIALS_BYTES, Parameters, object, whole};
use crate::apps::App;
use crate::context::Context;
use crate::gateway_tokens::{LIFETIME, MAX_SERVICE_CHARS};
use crate::keys::{KEY_PREFIX, Reason};

/// The parameters of both calls. Unknown parameters are ignored, as WeChat does.
struct TokenRequest {
    grant_type: Option<String>,
    appid: Option<String>,
    secret: Option<String>,
    /// The gateway's own parameter: the caller's name in the list of tokens.
    service: Option<String>,
}

/// `GET /cgi-bin/token`, and `POST` with the parameters in the query, which WeChat accepts too.
pub(super) async fn token(
    State(context): State<Context>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let given = |name| parameters.get(name).map(str::to_owned);
    let request = TokenRequest {
        grant_type: given("grant_type"),
        appid: given("appid"),
        secret: given("secret"),
        service: given("service"),
    };
    hand_out(&context, request).await
}

/// `POST /cgi-bin/stable_token`. SDKs differ in the content type they send; the body is JSON in any case.
pub(super) async fn stable_token(State(context): State<Context>, body: Body) -> Result<Response, Refusal> {
    let body = whole(body, MAX_CREDENTIALS_BYTES).await?;
    let members = object(&body)?;
    let request = TokenRequest {
        grant_type: members.text("grant_type"),
        appid: members.text("appid"),
        secret: members.text("secret"),
        service: members.text("service"),
    };
    hand_out(&context, request).await
}

async fn hand_out(context: &Context, request: TokenRequest) -> Result<Response, Refusal> {
    if request.grant_type.as_deref() != Some("client_credential") {
        return Err(Refusal::new(Errcode::INVALID_GRANT_TYPE, "invalid grant_type"));
    }
    let client = client(context, request.appid.as_deref(), request.secret.as_deref()).await?;
    if let Err(too_many) = context.rates.gateway_token(&client.app.record.appid) {
        return Err(Refusal::too_many(too_many));
    }
    let key_name = client.key.as_ref().map(|key| key.name.clone());
    let service = request.service.filter(|name| !name.is_empty()).or(key_name);
    let service = service.map(|name| name.chars().take(MAX_SERVICE_CHARS).collect());
    let token =
        context.gateway_tokens.hand_out(&client.app.record.appid, service, client.key.as_deref()).await?;
    Ok(axum::Json(json!({ "access_token": token.expose_secret(), "expires_in": LIFETIME.as_secs() }))
        .into_response())
}

/// A caller with a valid secret.
pub(super) struct Client {
    /// The app that the caller may act for.
    pub(super) app: Arc<App>,
    /// The caller's API key, if the secret was an API key.
    key: Option<Arc<KeyRecord>>,
}

/// The app that a client may act for. The client sends the app's gateway secret, or an API key for this app with the scope
/// `facade`.
pub(super) async fn client(
    context: &Context,
    appid: Option<&str>,
    secret: Option<&str>,
) -> Result<Client, Refusal> {
    let appid = appid.ok_or_else(|| Refusal::new(Errcode::APPID_MISSING, "appid missing"))?;
    let secret = secret.ok_or_else(|| Refusal::new(Errcode::SECRET_MISSING, "appsecret missing"))?;
    let appid: AppId = appid.parse().map_err(|_| Refusal::new(Errcode::INVALID_APPID, "invalid appid"))?;
    let app = context.apps.get(&appid).ok_or_else(|| {
        Refusal::new(
            Errcode::INVALID_APPID,
            "invalid appid; hongyan: 网关没有登记这个小程序 / this app is not registered, see POST /v1/apps",
        )
    })?;
    let known = if secret.starts_with(KEY_PREFIX) {
        let key = context.keys.authorize_facade(secret, &appid).await.map_err(Reason::name);
        let key = key.inspect_err(|reason| context.report.key_refused(reason));
        key.map(|key| Client { app, key: Some(key) })
    } else {
        let app = context.apps.check_gateway_secret(&appid, secret).ok_or("secret");
        app.map(|app| Client { app, key: None })
    };
    known.map_err(|reason| {
        Refusal::new(
            Errcode::INVALID_SECRET,
            "invalid appsecret; hongyan: 这里要用登记小程序时得到的 gateway_secret，或带 facade 权限的 API 密钥，\
             不是 AppSecret / use the gateway_secret from the registration of the app, or an API key with the \
             scope facade, not the AppSecret",
        )
        .of_a_wrong_credential(Wrong::new(reason, Some(&appid), secret))
    })
}

/// The app that a call's gateway token belongs to.
pub(super) async fn app_of(context: &Context, access_token: Option<&str>) -> Result<Arc<App>, Refusal> {
    Ok(sender_of(context, access_token).await?.0)
}

/// The app that a call's gateway token belongs to, and the API key that the token was issued to, if it was issued to a key.
pub(super) async fn sender_of(
    context: &Context,
    access_token: Option<&str>,
) -> Result<(Arc<App>, Option<KeyId>), Refusal> {
    let token = access_token.ok_or_else(|| Refusal::new(Errcode::TOKEN_MISSING, "access_token missing"))?;
    let invalid = || {
        Refusal::new(
            Errcode::INVALID_CREDENTIAL,
            "invalid credential, access_token is invalid or not latest; hongyan: 请使用从本网关取得的凭证 / use a \
             token from this gateway",
        )
        .of_a_wrong_credential(Wrong::new("token", None, token))
    };
    let (appid, key) = context.gateway_tokens.check(token).await?.ok_or_else(invalid)?;
    Ok((context.apps.get(&appid).ok_or_else(invalid)?, key))
}
