//! Calls that need the AppSecret instead of a token. The AppSecret replaces the gateway secret, only on the paths that are
//! known to need it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use hongyan_wechat::{Answered, CallError, SecretString};
use secrecy::ExposeSecret;

use super::answer::{ANSWER_PACKED, GATEWAY_FAILED, Refusal};
use super::clean::blotter;
use super::request::{MAX_CREDENTIALS_BYTES, Parameters, object, passed_on, whole};
use super::token::client;
use crate::apps::App;
use crate::context::Context;
use crate::door::outgoing::Behalf;

/// `POST /cgi-bin/clear_quota/v2`: `appid` and `appsecret`, in the body or in the query.
///
/// Source: <https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/openapi/clearQuotaByAppSecret.html>.
pub(super) async fn clear_quota(
    State(context): State<Context>,
    uri: Uri,
    parameters: Parameters,
    body: Body,
) -> Result<Response, Refusal> {
    let body = whole(body, MAX_CREDENTIALS_BYTES).await?;
    let members = object(if body.is_empty() { b"{}" } else { &body })?;
    let given = |name| members.text(name).or_else(|| parameters.get(name).map(str::to_owned));
    let client = client(&context, given("appid").as_deref(), given("appsecret").as_deref()).await?;
    let secret = real_secret(&context, &client.app)?;
    let pairs = [("appid", client.app.record.appid.as_str()), ("appsecret", secret.expose_secret())];
    // The AppSecret goes where the caller put the gateway secret. The rest is passed on unchanged.
    let in_body = members.text("appsecret").is_some();
    let path = passed_on(&uri, if in_body { &[] } else { &pairs });
    let body = members.written(&[], if in_body { &pairs } else { &[] });
    send(&context, Method::POST, &path, body, &client.app).await
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
    send(&context, Method::GET, &passed_on(&uri, &pairs), Vec::new(), &client.app).await
}

fn real_secret(context: &Context, app: &App) -> Result<SecretString, Refusal> {
    context.apps.secret(app).map_err(|error| {
        tracing::error!(app = %app.record.appid, %error, "the app's secret cannot be decrypted");
        Refusal::own(&GATEWAY_FAILED, "")
    })
}

async fn send(
    context: &Context,
    method: Method,
    path: &str,
    body: Vec<u8>,
    app: &App,
) -> Result<Response, Refusal> {
    let _place = context.outgoing.place(Behalf::Caller).await.map_err(Refusal::no_place)?;
    let content_type = (!body.is_empty()).then_some("application/json");
    let Answered { status, body, content_type } = context
        .wechat
        .exchange(method, path, content_type, body.into())
        .await
        .map_err(|failure| Refusal::from(CallError::Failed(failure)))?;
    if std::str::from_utf8(&body).is_err() {
        return Err(Refusal::own(&ANSWER_PACKED, ""));
    }
    let mut response = (status, blotter(context, app, None)?.whole(&body).into_owned()).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(kind) = content_type.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
}
