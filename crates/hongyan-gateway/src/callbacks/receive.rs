//! WeChat's two requests: the check of the callback's URL, and a push.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_store::types::{AddressCheck, NewEvent, Received};
use hongyan_wechat::AppId;
use hongyan_wechat::callback::{
    CallbackKeys, Event, Notice, PushParameters, address_check, notice_of, open_push,
};

use super::content::{digest, nonce_hash};
use super::refusals::Refusal;
use crate::apps::App;
use crate::context::Context;
use crate::door::WrongCredential;

/// The largest body. WeChat's events are below 4 KB, about 6 KB when encrypted and in base64.
const MAX_BODY: usize = 64 * 1024;

/// The longest echostr. WeChat sends a number of 19 or 20 digits. A text that could be an HTML page must not be echoed.
const MAX_ECHO: usize = 128;

/// The longest name of an event that is stored. WeChat's names are shorter than 40.
const MAX_NAME: usize = 64;

/// How long a nonce is remembered after its timestamp: the largest callback window that can be set.
const NONCE_KEPT: Duration = Duration::from_secs(3_600);

type Parameters = Result<Query<PushParameters>, QueryRejection>;

/// `GET /callback/{appid}`: WeChat checks that the URL is ours.
pub(super) async fn check_address(
    State(context): State<Context>,
    Path(appid): Path<String>,
    parameters: Parameters,
) -> Response {
    match check(&context, &appid, parameters).await {
        Ok(echo) => text(StatusCode::OK, echo),
        Err(no) => no,
    }
}

/// `POST /callback/{appid}`: WeChat pushes an event. The answer is sent when the event is durable and before it is processed,
/// because WeChat waits for only five seconds.
pub(super) async fn push(
    State(context): State<Context>,
    Path(appid): Path<String>,
    parameters: Parameters,
    body: Body,
) -> Response {
    match receive(&context, &appid, parameters, body).await {
        Ok(()) => text(StatusCode::OK, "success".into()),
        Err(no) => no,
    }
}

pub(super) async fn wrong_method() -> Response {
    text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed".into())
}

fn text(status: StatusCode, body: String) -> Response {
    // A browser must not show the text as an HTML page.
    let plain =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, plain, body).into_response()
}

/// An app with a callback, and the checked parameters of a request.
struct Callee {
    app: Arc<App>,
    keys: CallbackKeys,
    parameters: PushParameters,
    /// The request's timestamp.
    sent_at: UnixMillis,
    now: UnixMillis,
}

impl Callee {
    fn appid(&self) -> &AppId {
        &self.app.record.appid
    }
}

/// The checks of both requests: an app with a callback, readable parameters, a recent timestamp.
#[expect(clippy::result_large_err, reason = "an answer that is sent at once")]
fn callee(context: &Context, appid: &str, parameters: Parameters) -> Result<Callee, Response> {
    let now = context.clock.now();
    let app = appid.parse::<AppId>().ok().and_then(|appid| context.apps.get(&appid));
    let Some(app) = app.filter(|app| app.record.settings.callback.is_some()) else {
        return Err(refuse(context, None, &Refusal::NoCallback, now));
    };
    let appid = app.record.appid.clone();
    let no = |refusal| refuse(context, Some(&appid), &refusal, now);
    let keys = context.apps.callback_keys(&app).map_err(|error| {
        tracing::error!(app = %appid, %error, "the callback's secrets cannot be decrypted");
        unavailable()
    })?;
    let keys = keys.ok_or_else(|| no(Refusal::NoCallback))?;
    let Ok(Query(parameters)) = parameters else { return Err(no(Refusal::Parameters)) };
    let Some(seconds) = seconds(&parameters.timestamp) else { return Err(no(Refusal::Parameters)) };
    let off = now.as_seconds() - seconds;
    if off.unsigned_abs() > context.settings.callback_window_seconds {
        return Err(no(Refusal::Timestamp(off)));
    }
    Ok(Callee { app, keys, parameters, sent_at: UnixMillis(seconds * 1000), now })
}

/// Parses WeChat's seconds since 1970. Only one spelling is accepted, because another spelling of a used timestamp would pass
/// the check for reuse. Also bounds the text that is hashed and compared.
fn seconds(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let seconds: u32 = text.parse().ok().filter(|_| is_plain)?;
    Some(seconds.into())
}

async fn check(context: &Context, appid: &str, parameters: Parameters) -> Result<String, Response> {
    let callee = callee(context, appid, parameters)?;
    let no = |refusal| refuse(context, Some(callee.appid()), &refusal, callee.now);
    if !address_check(&callee.keys, &callee.parameters) {
        return Err(no(Refusal::Push(hongyan_wechat::callback::PushRefused::Signature)));
    }
    let echo = &callee.parameters.echostr;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+/=".contains(&byte);
    if echo.is_empty() || echo.len() > MAX_ECHO || !echo.bytes().all(is_plain) {
        return Err(no(Refusal::Echo));
    }
    let PushParameters { timestamp, nonce, .. } = &callee.parameters;
    let check = AddressCheck {
        at: callee.now,
        nonce_hash: nonce_hash(timestamp, nonce),
        nonce_expires_at: callee.sent_at.plus(NONCE_KEPT),
    };
    context.store.callback_verified(callee.appid().clone(), check).await.map_err(|error| {
        tracing::error!(app = %callee.appid(), %error, "cannot store that WeChat checked the callback");
        unavailable()
    })?;
    tracing::info!(app = %callee.appid(), "WeChat has checked the callback's URL");
    Ok(echo.clone())
}

async fn receive(context: &Context, appid: &str, parameters: Parameters, body: Body) -> Result<(), Response> {
    let callee = callee(context, appid, parameters)?;
    let no = |refusal| refuse(context, Some(callee.appid()), &refusal, callee.now);
    let body = read(body).await.map_err(no)?;
    let content = open_push(&callee.keys, callee.appid(), &callee.parameters, &body)
        .map_err(|refused| no(Refusal::Push(refused)))?;
    let event = new_event(context, &callee, Event::of(content));
    let name = event.name.clone();
    match context.store.receive_event(event).await {
        Ok(Received::New) => {
            context.report.event_received(&name, false);
            Ok(())
        }
        Ok(Received::Repeated { .. }) => {
            context.report.event_received(&name, true);
            Ok(())
        }
        Ok(Received::NonceReused) => Err(no(Refusal::NonceReused)),
        Err(error) => {
            // WeChat tries again a few times. If it gives up before the store recovers, the event is lost.
            context.silence.may_have_missed(callee.now);
            tracing::error!(app = %callee.appid(), %error, "an event cannot be stored");
            Err(unavailable())
        }
    }
}

async fn read(body: Body) -> Result<axum::body::Bytes, Refusal> {
    // If the request declares the size, the body is refused without being read.
    if HttpBody::size_hint(&body).lower() > MAX_BODY as u64 {
        return Err(Refusal::TooLarge);
    }
    to_bytes(body, MAX_BODY).await.map_err(|error| {
        let is_limit = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if is_limit { Refusal::TooLarge } else { Refusal::Incomplete }
    })
}

fn new_event(context: &Context, callee: &Callee, event: Event) -> NewEvent {
    let appid = callee.appid();
    let lane = event.openid.as_ref().map_or_else(|| Lane::of_app(appid), |openid| Lane::of(appid, openid));
    let PushParameters { timestamp, nonce, .. } = &callee.parameters;
    let is_sent_report = matches!(notice_of(&event), Some(Notice::Sent(_)));
    let name = event.name.unwrap_or(event.msg_type);
    NewEvent {
        id: context.ids.event(lane, callee.now),
        appid: appid.clone(),
        openid: event.openid,
        name: name.chars().take(MAX_NAME).collect(),
        digest: digest(appid, &event.body),
        nonce_hash: nonce_hash(timestamp, nonce),
        nonce_expires_at: callee.sent_at.plus(NONCE_KEPT),
        create_time: event.create_time,
        received_at: callee.now,
        is_sent_report,
        body: serde_json::Value::Object(event.body).to_string(),
    }
}

/// Refuses a request. The answer is the same for every reason except two: no callback at this path, and a body that is too
/// large.
fn refuse(context: &Context, appid: Option<&AppId>, refusal: &Refusal, now: UnixMillis) -> Response {
    context.report.callback_refused(refusal.reason());
    context.push_refusals.log(appid, refusal, now);
    match refusal {
        Refusal::NoCallback => text(StatusCode::NOT_FOUND, "not found".into()),
        Refusal::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, "too large".into()),
        _ => {
            let mut answer = text(StatusCode::FORBIDDEN, "refused".into());
            answer.extensions_mut().insert(WrongCredential);
            answer
        }
    }
}

/// The gateway's own failure; WeChat tries again.
fn unavailable() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, "try again".into())
}
