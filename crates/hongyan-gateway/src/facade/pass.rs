//! Everything else under WeChat's paths: passed on with the real token in the place of the gateway's.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use hongyan_ledger::settle::is_token_refusal;
use hongyan_wechat::{Answered, CallError, Errcode, SecretString};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::form_urlencoded;

use super::answer::{GATEWAY_FAILED, Refusal};
use super::token::app_of;
use crate::service::Context;
use crate::token::TokenError;

/// Passes a call on. A call that WeChat refused for its token is repeated once with a fresh one.
pub(super) async fn pass(State(context): State<Context>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let limit = context.settings.max_body_bytes;
    let body = axum::body::to_bytes(body, limit).await.map_err(|_| {
        Refusal::new(Errcode(45_001), format!("hongyan: the body is over {limit} bytes, or was cut off"))
    })?;
    let given = parameter(&head.uri, "access_token");
    let app = app_of(&context, given.as_deref()).await?;
    let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
    let token = context.apps.token(&app).await.map_err(no_token)?;
    let first =
        exchange(&context, &head.method, &head.uri, content_type.as_ref(), &body, &token.value).await?;
    if !refused_for_token(&first) {
        return Ok(answer(first));
    }
    let fresh = context.apps.token_after(&app, token.generation).await.map_err(no_token)?;
    Ok(answer(exchange(&context, &head.method, &head.uri, content_type.as_ref(), &body, &fresh.value).await?))
}

async fn exchange(
    context: &Context,
    method: &Method,
    uri: &Uri,
    content_type: Option<&HeaderValue>,
    body: &Bytes,
    token: &SecretString,
) -> Result<Answered, Refusal> {
    let path = with_token(uri, token);
    context
        .wechat
        .exchange(method.clone(), &path, content_type.and_then(|value| value.to_str().ok()), body.clone())
        .await
        .map_err(|failure| Refusal::from(CallError::Failed(failure)))
}

fn refused_for_token(answered: &Answered) -> bool {
    #[derive(Deserialize)]
    struct Head {
        errcode: Errcode,
    }
    // Only small JSON answers are refusals; a downloaded image is not searched for one.
    answered.body.len() < 4_096
        && serde_json::from_slice::<Head>(&answered.body).is_ok_and(|head| is_token_refusal(head.errcode))
}

fn answer(answered: Answered) -> Response {
    let mut response = (answered.status, answered.body).into_response();
    let content_type = answered.content_type.and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(value) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

fn no_token(error: TokenError) -> Refusal {
    match error {
        TokenError::Refused { errcode, errmsg } => Refusal::new(errcode, errmsg),
        other => Refusal::new(GATEWAY_FAILED, format!("hongyan: no access token: {other}")),
    }
}

/// The first value of a query parameter.
fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query()?.as_bytes();
    form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The path and query with the real token in place of the given one.
fn with_token(uri: &Uri, token: &SecretString) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("access_token", token.expose_secret());
    for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if key != "access_token" {
            query.append_pair(&key, &value);
        }
    }
    format!("{}?{}", uri.path(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_token_takes_the_place_of_the_gateways() {
        let uri: Uri = "/wxaapi/newtmpl/gettemplate?access_token=hyt_x&b=1%202".parse().unwrap();
        assert_eq!(parameter(&uri, "access_token").as_deref(), Some("hyt_x"));
        let path = with_token(&uri, &"REAL".to_owned().into());
        assert_eq!(path, "/wxaapi/newtmpl/gettemplate?access_token=REAL&b=1+2");
    }
}
