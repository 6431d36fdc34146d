//! WeChat's own API: its paths, and the way of a call from HTTP to the state and back.
//!
//! Every answer, including refusals, is HTTP 200 with a JSON object, as WeChat's answers are. An unknown path gets
//! errcode 40066, and a wrong method 43001 or 43002, in the same form. A chunked body (`Transfer-Encoding: chunked`) does
//! not reach the API: WeChat's front end answers with HTTP 412 and a page.
//!
//! Methods are checked where WeChat checks them. WeChat demands POST for calls with a body (43002). Of the calls that
//! WeChat documents as GET, `/cgi-bin/token` and `/sns/jscode2session` are known to accept POST with parameters in the
//! URL. The others are unknown, so they accept POST too, and the log has a complaint.

pub(crate) mod call;
mod legacy_templates;
mod library;
mod login;
mod quota;
mod send;
mod subscribe_templates;
#[cfg(test)]
mod tests;
mod token;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hongyan_wechat::Errcode;
use hongyan_wechat::paths::FAMILIES;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use self::call::{Call, Outcome, Overlap, Refusal};
use crate::chaos::{ChaosKind, Fate, Plan};
use crate::inner::Inner;
use crate::magic::{self, Effect};
use crate::pusher;
use crate::server::Kill;
use crate::state::State;
use crate::state::requests::{Kept, LoggedRequest};
use crate::state::rids::{self, Asked};

/// Larger bodies are refused. WeChat's own limit is not documented; no call of this API comes close.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// WeChat's content type of JSON answers.
const JSON: &str = "application/json; encoding=utf-8";
/// "Invalid url": the path does not exist.
pub(crate) const INVALID_URL: Errcode = Errcode(40066);
/// "Require GET method."
const GET_REQUIRED: Errcode = Errcode(43001);

type Handler = fn(&mut State, &mut Call) -> Outcome;

/// A path of WeChat's.
struct Route {
    method: Method,
    path: &'static str,
    handler: Handler,
}

const fn get(path: &'static str, handler: Handler) -> Route {
    Route { method: Method::GET, path, handler }
}

const fn post(path: &'static str, handler: Handler) -> Route {
    Route { method: Method::POST, path, handler }
}

static ROUTES: &[Route] = &[
    // The two sends come first: a load test calls them most.
    post(send::SEND_SUBSCRIBE, send::send_subscribe),
    post(send::SEND_TEMPLATE, send::send_template),
    get("/cgi-bin/token", token::token),
    post("/cgi-bin/stable_token", token::stable_token),
    get("/sns/jscode2session", login::code_to_session),
    get("/wxa/checksession", login::check_session),
    get("/wxa/resetusersessionkey", login::reset_session_key),
    get("/wxaapi/newtmpl/gettemplate", subscribe_templates::list),
    post("/wxaapi/newtmpl/addtemplate", subscribe_templates::add),
    post("/wxaapi/newtmpl/deltemplate", subscribe_templates::delete),
    get("/wxaapi/newtmpl/getpubtemplatekeywords", subscribe_templates::keywords),
    get("/wxaapi/newtmpl/getpubtemplatetitles", subscribe_templates::titles),
    get("/wxaapi/newtmpl/getcategory", subscribe_templates::categories),
    post("/cgi-bin/wxopen/template/list", legacy_templates::list),
    post("/cgi-bin/wxopen/template/add", legacy_templates::add),
    post("/cgi-bin/wxopen/template/del", legacy_templates::delete),
    post("/cgi-bin/wxopen/template/library/list", legacy_templates::library_list),
    post("/cgi-bin/wxopen/template/library/get", legacy_templates::library_get),
    post("/cgi-bin/openapi/quota/get", |state, call| quota::get(state, call, is_known)),
    post("/cgi-bin/openapi/rid/get", quota::rid),
    post("/cgi-bin/clear_quota", quota::clear),
    post("/cgi-bin/clear_quota/v2", quota::clear_by_secret),
];

fn find_route(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}

/// Whether there is a call with this path.
pub(crate) fn is_known(path: &str) -> bool {
    find_route(path).is_some()
}

/// Whether a path belongs to WeChat rather than to the sandbox.
pub(crate) fn is_wechats(path: &str) -> bool {
    let family = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(family, _)| family);
    family.is_some_and(|family| FAMILIES.contains(&family))
}

/// The list for the help page: method and path of every call.
pub(crate) fn calls() -> impl Iterator<Item = (&'static Method, &'static str)> {
    ROUTES.iter().map(|route| (&route.method, route.path))
}

/// Answers a request to WeChat's paths, or fails as the chaos rules demand.
pub(crate) async fn answer(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let kill = parts.extensions.get::<Kill>().cloned();
    let path = parts.uri.path();
    let mut plan = inner.state().chaos.plan(path);

    let undecided = |chaos, kept| LoggedRequest {
        time: inner.clock.now(),
        method: parts.method.to_string(),
        path: path.to_owned(),
        appid: None,
        openid: None,
        errcode: None,
        chaos,
        magic: None,
        card: None,
        kept,
    };
    if plan.fate.is_some_and(|f| f.kind == ChaosKind::ResetBefore) {
        inner.state().log(undecided(plan.noted(), Kept::default()));
        return Kill::now(kill).await;
    }
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        let kept = Kept { is_chunked: true, ..Kept::default() };
        inner.state().log(undecided(None, kept));
        // The body is read to its end, or the sender would see a reset instead of the answer.
        return match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(_) | Err(_) => precondition_failed(),
        };
    }
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        // The body is too large, or the sender is gone; in the second case nobody reads this answer.
        Err(_) => return (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB").into_response(),
    };
    let raw_query = parts.uri.query().unwrap_or_default().to_owned();
    let query: Vec<_> = url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
    let magic = magic::of_call(&query, &body);
    if let Some(found) = &magic {
        plan.delay += Duration::from_millis(found.delay_ms());
    }
    let is_lost_if_done = magic.as_ref().is_some_and(|found| found.effect == Effect::LostAnswer);
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    let call = Call {
        raw_query,
        query,
        magic,
        path: path.to_owned(),
        method: parts.method,
        body,
        content_type,
        now: inner.clock.now(),
        overlap: Overlap::Instant,
        about_app: None,
        about_user: None,
        card: None,
    };

    let Handled { answer, is_done } = if plan.delay.is_zero() {
        handle(&inner, call, plan)
    } else {
        let Ok(place) = Arc::clone(&inner.slow).try_acquire_owned() else {
            let text = "the maximum number of slow calls is reached, see --keep slow";
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        };
        // A separate task: a received call is handled even if the caller gives up.
        let late = handle_late(Arc::clone(&inner), call, plan);
        let slow = tokio::spawn(async move {
            let handled = late.await;
            drop(place);
            handled
        });
        slow.await.unwrap_or_else(|_| handle_failed())
    };
    if is_lost_if_done && is_done {
        return Kill::now(kill).await;
    }
    match plan.fate.map(|f| f.kind) {
        Some(ChaosKind::ResetAfter) => Kill::now(kill).await,
        Some(ChaosKind::LateAnswer) => {
            let late = plan.fate.map_or(Duration::ZERO, |f| f.late);
            tokio::select! {
                () = tokio::time::sleep(late) => {}
                () = inner.stopped() => {}
            }
            json_response(answer)
        }
        Some(ChaosKind::Hang) => {
            inner.stopped().await;
            Kill::now(kill).await
        }
        Some(ChaosKind::Http5xx) => bad_gateway(),
        Some(ChaosKind::Garbage) => json_response(Bytes::from_static(br#"{"errcode":"#)),
        Some(ChaosKind::HalfAnswer) => half_of(&answer, kill),
        Some(ChaosKind::Errcode | ChaosKind::Latency | ChaosKind::ResetBefore) | None => {
            json_response(answer)
        }
    }
}

/// The result of a call, for the log.
struct Handled {
    answer: Bytes,
    /// The call was done and not refused.
    is_done: bool,
}

/// A slow call: another send to the same user overlaps with it while it waits.
async fn handle_late(inner: Arc<Inner>, mut call: Call, plan: Plan) -> Handled {
    let receiver = (call.path == send::SEND_SUBSCRIBE).then(|| send::receiver(&call)).flatten();
    if let Some(openid) = &receiver {
        let is_first = inner.state().flights.insert(openid.clone());
        call.overlap = if is_first { Overlap::First } else { Overlap::Second };
    }
    let landed = receiver.filter(|_| call.overlap == Overlap::First);
    tokio::select! {
        () = tokio::time::sleep(plan.delay) => {}
        () = inner.stopped() => {}
    }
    call.now = inner.clock.now();
    let handled = handle(&inner, call, plan);
    if let Some(openid) = landed {
        inner.state().flights.remove(&openid);
    }
    handled
}

/// Handles a call unless its fault prevents this, logs it, and wakes readers who wait for messages.
fn handle(inner: &Arc<Inner>, mut call: Call, plan: Plan) -> Handled {
    let mut state = inner.state();
    let newest = state.inbox.last_id();
    let outcome = match plan.fate {
        Some(Fate { kind: ChaosKind::Errcode, errcode, .. }) => Err(Errcode(errcode).into()),
        // A proxy in between answers; the platform never gets the call.
        Some(Fate { kind: ChaosKind::Http5xx, .. }) => Ok(Value::Null),
        _ => dispatch(&mut state, &mut call),
    };
    let undecided = plan.fate.is_some_and(|f| f.kind == ChaosKind::Http5xx);
    let errcode = match &outcome {
        Ok(_) => 0,
        Err(refusal) => refusal.errcode.0,
    };
    let answer = match outcome {
        Ok(value) => value.to_string(),
        Err(refusal) => refused(inner, &mut state, &call, &refusal),
    };
    state.log(LoggedRequest {
        time: call.now,
        method: call.method.to_string(),
        path: call.path,
        appid: call.about_app,
        openid: call.about_user,
        errcode: (!undecided).then_some(errcode),
        chaos: plan.noted(),
        magic: call.magic.map(|found| found.word),
        card: call.card,
        kept: Kept::of(call.query, call.content_type, &call.body),
    });
    let delivered = state.inbox.last_id() != newest;
    let has_pushes = state.pushes.waiting() > 0;
    drop(state);
    if has_pushes {
        pusher::start(inner);
    }
    if delivered {
        inner.signal.send_modify(|signal| signal.messages += 1);
    }
    Handled { answer: answer.into(), is_done: errcode == 0 && !undecided }
}

fn dispatch(state: &mut State, call: &mut Call) -> Outcome {
    match find_route(&call.path) {
        None => Err(Refusal::new(INVALID_URL, "invalid url")),
        Some(route) if route.method == Method::POST && call.method != Method::POST => {
            Err(Errcode::POST_REQUIRED.into())
        }
        Some(_) if ![Method::GET, Method::HEAD, Method::POST].contains(&call.method) => {
            Err(Refusal::new(GET_REQUIRED, "require GET method"))
        }
        Some(route) => match magic_refusal(state, call)? {
            Some(errcode) => Err(errcode.into()),
            None => (route.handler)(state, call),
        },
    }
}

/// The refusal of a magic id. The caller's identity is checked first: a magic openid with an invalid token gets the same
/// answer as any openid.
fn magic_refusal(state: &mut State, call: &mut Call) -> Result<Option<Errcode>, Refusal> {
    let Some(found) = call.magic.clone() else { return Ok(None) };
    if matches!(found.effect, Effect::Refuse(_) | Effect::RefuseOnce(_)) && !found.is_credential() {
        let token = call.param("access_token").ok_or(Errcode::TOKEN_MISSING)?;
        call.about_app = Some(state.tokens.check(token, call.now)?.clone());
    }
    Ok(match found.effect {
        Effect::Refuse(errcode) => Some(errcode),
        Effect::RefuseOnce(errcode) => state.is_first_time(&found.id).then_some(errcode),
        _ => None,
    })
}

/// A refusal with a `rid`, by which support and `rid/get` find the request.
fn refused(inner: &Inner, state: &mut State, call: &Call, refusal: &Refusal) -> String {
    let rid = inner.next_rid(call.now);
    let errmsg = format!("{} rid: {rid}", refusal.errmsg);
    let answer = json!({ "errcode": refusal.errcode, "errmsg": errmsg }).to_string();
    let most = state.limits.rids;
    state.rids.add(
        rid,
        Asked {
            appid: call.about_app.clone(),
            invoke_time: call.now,
            path: rids::beginning(&call.path),
            request_url: rids::beginning(&call.raw_query),
            request_body: rids::beginning(&String::from_utf8_lossy(&call.body)),
            response_body: answer.clone(),
        },
        most,
    );
    answer
}

/// The task of a slow call panicked: a bug of the sandbox, which must not look like WeChat's answer.
fn handle_failed() -> Handled {
    let answer = Bytes::from_static(br#"{"errcode":-1,"errmsg":"the sandbox failed, see its log"}"#);
    Handled { answer, is_done: false }
}

fn json_response(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, JSON)], Body::from(body)).into_response()
}

/// An answer whose body stops in the middle, followed by a reset; the head announces the whole length.
fn half_of(answer: &Bytes, kill: Option<Kill>) -> Response {
    let half = answer.slice(..answer.len() / 2);
    let written = stream::once(async { Ok::<_, Infallible>(half) });
    // This is polled after the first half has been written.
    let reset = stream::once(async {
        Kill::now(kill).await;
        Ok(Bytes::new())
    });
    let head = [(header::CONTENT_TYPE, JSON.to_owned()), (header::CONTENT_LENGTH, answer.len().to_string())];
    (head, Body::from_stream(written.chain(reset))).into_response()
}

/// The answer of WeChat's front end to a body without a length.
fn precondition_failed() -> Response {
    const PAGE: &str = "<html><head><title>412 Precondition Failed</title></head><body><h1>412 Precondition Failed</h1></body></html>";
    (StatusCode::PRECONDITION_FAILED, [(header::CONTENT_TYPE, "text/html")], PAGE).into_response()
}

fn bad_gateway() -> Response {
    const PAGE: &str =
        "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], PAGE).into_response()
}
