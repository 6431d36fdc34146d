//! The tutorial's back end in the demo: the same behaviour and the same JSON as `examples/node/backend.mjs` and
//! `examples/python/backend.py`, so that the phone works without Node or Python.
//!
//! The back end is an ordinary client: it knows only the gateway's address and an API key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::{Method, StatusCode, header};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use hongyan_clock::{Clock, UnixMillis};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::http::Api;
use crate::text::say;

/// Sessions live in memory, which is enough for a tutorial. Beyond this number all users log in again.
const MAX_SESSIONS: usize = 10_000;

/// The most characters of a `thing` field.
const THING_CHARS: usize = 20;

/// The state of the back end.
pub(crate) struct Tutorial {
    pub(crate) gateway: Api,
    pub(crate) appid: String,
    pub(crate) legacy_template: String,
    pub(crate) subscribe_template: String,
    pub(crate) clock: Clock,
    /// Our session → openid, so that the openid never leaves the server.
    pub(crate) sessions: Mutex<HashMap<String, String>>,
}

/// A tap by the user and the typed text, in the mini program's words.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tap {
    code: Option<String>,
    session: Option<String>,
    input: Option<String>,
    form_id: Option<String>,
    prepay_id: Option<String>,
    template: Option<String>,
    result: Option<String>,
}

/// An answer with a status other than 200, and a JSON body with the reason.
struct Refusal(StatusCode, Bytes);

impl Refusal {
    fn new(status: StatusCode, code: &str, detail: &str) -> Self {
        Self(status, json!({ "code": code, "detail": detail }).to_string().into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "application/json")], self.1).into_response()
    }
}

type Answer = Result<Json<Value>, Refusal>;

impl Tutorial {
    /// The three calls of the back end.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/onLogin", post(on_login))
            .route("/template", post(template))
            .route("/subscribe", post(subscribe))
            .fallback(not_found)
            .method_not_allowed_fallback(not_found)
            .with_state(Arc::new(self))
    }

    /// Sends `POST` to the gateway. The gateway's errors are passed on unchanged, because they explain themselves.
    async fn hongyan(&self, path: &str, mut body: Value) -> Result<Value, Refusal> {
        body["app"] = self.appid.as_str().into();
        let answer = self.gateway.exchange(Method::POST, path, &[], Some(&body)).await.map_err(|none| {
            let detail = format!("no answer from {}: {}", self.gateway.url(), none.why.en);
            Refusal::new(StatusCode::BAD_GATEWAY, "gateway_unreachable", &detail)
        })?;
        if !answer.status.is_success() {
            return Err(Refusal(answer.status, answer.body));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            let detail = format!("{} did not answer with JSON: {error}", self.gateway.url());
            Refusal::new(StatusCode::BAD_GATEWAY, "gateway_unreachable", &detail)
        })
    }

    /// Makes a new session for the user of a login code.
    async fn log_in(&self, code: &str) -> Result<String, Refusal> {
        let login = self.hongyan("/v1/login", json!({ "code": code })).await?;
        let openid = login["openid"].as_str().unwrap_or_default().to_owned();
        let session = new_session()?;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MAX_SESSIONS {
            sessions.clear();
        }
        sessions.insert(session.clone(), openid);
        Ok(session)
    }

    async fn openid_of(&self, tap: &Tap) -> Result<String, Refusal> {
        if let Some(openid) = tap.session.as_deref().and_then(|session| self.known(session)) {
            return Ok(openid);
        }
        let session = match tap.code.as_deref() {
            Some(code) if !code.is_empty() => Some(self.log_in(code).await?),
            _ => None,
        };
        session
            .and_then(|session| self.known(&session))
            .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "session_unknown", "log in again"))
    }

    fn known(&self, session: &str) -> Option<String> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    }

    async fn send(&self, mut message: Value) -> Answer {
        message["page"] = "pages/index/index?from=card".into();
        let sent = self.hongyan("/v1/messages", message).await?;
        Ok(Json(json!({ "id": sent["id"], "state": sent["state"] })))
    }
}

/// `POST /onLogin {code}` → `{session}`
async fn on_login(State(tutorial): State<Arc<Tutorial>>, body: Bytes) -> Answer {
    let tap = read(&body)?;
    let session = tutorial.log_in(tap.code.as_deref().unwrap_or_default()).await?;
    Ok(Json(json!({ "session": session })))
}

/// `POST /template {input, formId or prepayId, code or session}` → `{id, state}`
async fn template(State(tutorial): State<Arc<Tutorial>>, body: Bytes) -> Answer {
    let tap = read(&body)?;
    let to = tutorial.openid_of(&tap).await?;
    let prepay_id = tap.prepay_id.filter(|id| !id.is_empty());
    let kind = if prepay_id.is_some() { "payment" } else { "form" };
    let code = prepay_id.or(tap.form_id);
    tutorial.hongyan("/v1/permits", json!({ "openid": to, "kind": kind, "code": code })).await?;
    tutorial
        .send(json!({
            "to": to,
            "template": tutorial.legacy_template,
            "data": {
                "keyword1": { "value": tap.input, "color": "#173177" },
                "keyword2": { "value": beijing_text(tutorial.clock.now()) },
                "keyword3": { "value": "已受理" },
            },
            "emphasis_keyword": "keyword1.DATA",
        }))
        .await
}

/// `POST /subscribe {session, template, result, input?}` → `{id, state}`, or `{"state":"not_sent"}`
async fn subscribe(State(tutorial): State<Arc<Tutorial>>, body: Bytes) -> Answer {
    let tap = read(&body)?;
    let to = tutorial.openid_of(&tap).await?;
    if !tap.result.is_some_and(|result| result.starts_with("accept")) {
        // The user refused: there is no permit to report.
        return Ok(Json(json!({ "state": "not_sent" })));
    }
    let template = tap.template.unwrap_or_else(|| tutorial.subscribe_template.clone());
    let permit = json!({ "openid": to, "kind": "subscribe_once", "template": template });
    tutorial.hongyan("/v1/permits", permit).await?;
    let thing = tap.input.filter(|input| !input.is_empty()).unwrap_or_else(|| "拿铁咖啡".into());
    let thing: String = thing.chars().take(THING_CHARS).collect();
    let data = json!({
        "thing1": thing,
        "date2": beijing_text(tutorial.clock.now()),
        "amount3": "¥18.00",
    });
    tutorial.send(json!({ "to": to, "template": template, "data": data })).await
}

async fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not_found", "known calls: POST /onLogin, /template, /subscribe")
}

fn read(body: &[u8]) -> Result<Tap, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "malformed_json", &error.to_string()))
}

/// A time in the form of WeChat's `date` fields, in China's time zone.
fn beijing_text(now: UnixMillis) -> String {
    let local = Offset::constant(8).to_datetime(Timestamp::from_millisecond(now.0).unwrap_or_default());
    local.strftime("%Y年%m月%d日 %H:%M").to_string()
}

/// 128 random bits, which nobody guesses.
fn new_session() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "no_randomness", &error.to_string())
    })?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// Serves the back end until `stop` resolves.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(
    tutorial: Tutorial,
    listener: tokio::net::TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    axum::serve(listener, tutorial.router()).with_graceful_shutdown(stop).await.map_err(|error| {
        Failure::run(say!("教程的后端出错：{error}", "the tutorial's back end failed: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_on_a_card_is_chinas() {
        assert_eq!(
            beijing_text(UnixMillis::parse_rfc3339("2026-04-30T17:05:00Z").unwrap()),
            "2026年05月01日 01:05"
        );
    }
}
