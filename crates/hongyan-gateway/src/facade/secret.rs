//! Calls that are made with the AppSecret itself and not with a token: the real one takes the place of the gateway
//! secret, on the paths that are known to take it and nowhere else.

use axum::extract::State;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use hongyan_wechat::{Answered, CallError, Errcode, SecretString};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::answer::{GATEWAY_FAILED, Refusal, without};
use super::request::{Parameters, WholeBody, passed_on};
use super::token::client;
use crate::apps::App;
use crate::door::outgoing::Behalf;
use crate::service::Context;

/// `POST /cgi-bin/clear_quota/v2`: `appid` and `appsecret`, in the body or in the query.
///
/// Source: <https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/openapi/clearQuotaByAppSecret.html>.
pub(super) async fn clear_quota(
    State(context): State<Context>,
    uri: Uri,
    parameters: Parameters,
    WholeBody(body): WholeBody,
) -> Result<Response, Refusal> {
    let mut body: Map<String, Value> = if body.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Refusal::new(Errcode::BAD_JSON, format!("data format error: {error}")))?
    };
    let given = |name| body.get(name).and_then(Value::as_str).or_else(|| parameters.get(name));
    let client = client(&context, given("appid"), given("appsecret")).await?;
    let secret = real_secret(&context, &client.app)?;
    let appid = client.app.record.appid.as_str();
    // Where the caller put it, for that is where its WeChat takes it.
    let path = if body.contains_key("appsecret") {
        body.insert("appid".into(), appid.into());
        body.insert("appsecret".into(), secret.expose_secret().into());
        passed_on(&uri, &[])
    } else {
        passed_on(&uri, &[("appid", appid), ("appsecret", secret.expose_secret())])
    };
    let body = Value::Object(body).to_string();
    send(&context, Method::POST, &path, body, &secret).await
}

/// `GET /sns/oauth2/access_token`: `appid`, `secret` and a `code`.
pub(super) async fn oauth2(
    State(context): State<Context>,
    uri: Uri,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let client = client(&context, parameters.get("appid"), parameters.get("secret")).await?;
    let secret = real_secret(&context, &client.app)?;
    let pairs = [("appid", client.app.record.appid.as_str()), ("secret", secret.expose_secret())];
    send(&context, Method::GET, &passed_on(&uri, &pairs), String::new(), &secret).await
}

fn real_secret(context: &Context, app: &App) -> Result<SecretString, Refusal> {
    context.apps.secret(app).map_err(|error| {
        tracing::error!(app = %app.record.appid, %error, "the app's secret does not open");
        Refusal::own(&GATEWAY_FAILED, "")
    })
}

async fn send(
    context: &Context,
    method: Method,
    path: &str,
    body: String,
    secret: &SecretString,
) -> Result<Response, Refusal> {
    let _place = context.outgoing.place(Behalf::Caller).await.map_err(Refusal::no_place)?;
    let content_type = (!body.is_empty()).then_some("application/json");
    let Answered { status, body, content_type } = context
        .wechat
        .exchange(method, path, content_type, body.into())
        .await
        .map_err(|failure| Refusal::from(CallError::Failed(failure)))?;
    let mut response = (status, without(body, secret)).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(kind) = content_type.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
}
