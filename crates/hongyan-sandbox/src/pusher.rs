//! Delivers pushes to callbacks: the only place where the sandbox sends requests on its own.
//!
//! One task per app empties the app's queue and then ends; `state/pushes.rs` contains the queues. A dead callback delays
//! only its own app.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hongyan_wechat::{AppId, OpenId};
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::inner::Inner;
use crate::random;
use crate::state::callbacks::{Callback, Damage, Written};
use crate::state::pushes::{Push, PushState, Try};

/// WeChat pushes once, and repeats up to three times.
const TRIES: u32 = 4;
/// The pause between two tries. WeChat's own pause is not documented.
const PAUSE: Duration = Duration::from_millis(100);
/// How much of an answer is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How much of an answer is kept for the log.
const MAX_ANSWER_CHARS: usize = 200;

/// Starts the tasks that are needed. Call this after anything that may have queued a push.
pub(crate) fn start(inner: &Arc<Inner>) {
    let apps = inner.state().pushes.start();
    for appid in apps {
        tokio::spawn(work(Arc::clone(inner), appid));
    }
}

async fn work(inner: Arc<Inner>, appid: AppId) {
    let worked = async {
        loop {
            let (push, callback) = {
                let mut state = inner.state();
                let Some(push) = state.pushes.next(&appid) else { return };
                (push, state.apps.get(&appid).and_then(|app| app.callback.clone()))
            };
            let outcome = match callback {
                None => PushState::Dropped,
                Some(callback) => deliver(&inner, &appid, &push, &callback).await,
            };
            inner.state().pushes.finish(&appid, push.id, outcome);
            inner.signal.send_modify(|signal| signal.pushes += 1);
        }
    };
    tokio::select! {
        () = worked => {}
        () = inner.stopped() => {}
    }
}

async fn deliver(inner: &Inner, appid: &AppId, push: &Push, callback: &Callback) -> PushState {
    let mut copies = if push.damage.contains(&Damage::Twice) { 2 } else { 1 };
    for number in 0..TRIES {
        let now = inner.clock.now();
        let openid = push.openid.as_ref().map(OpenId::as_str);
        let written = callback.write(appid, openid, &push.message, &push.damage, now);
        let asked = post(inner, written);
        let answered = tokio::time::timeout(Duration::from_millis(callback.timeout_ms), asked).await;
        let (status, answer) = match answered {
            Ok(Ok(Answered { status, text, .. })) => (Some(status), text),
            Ok(Err(why)) => (None, why),
            Err(_) => (None, format!("no answer within {} ms", callback.timeout_ms)),
        };
        let is_taken = status == Some(StatusCode::OK) && callback.takes_answer(appid, &answer);
        let shown = answer.chars().take(MAX_ANSWER_CHARS).collect();
        let is_wanted = {
            let mut state = inner.state();
            state.pushes.tried(push.id, Try { at: now, status: status.map(|s| s.as_u16()), answer: shown });
            state.pushes.is_wanted(appid, push.id)
        };
        copies -= i32::from(is_taken);
        if copies == 0 {
            return PushState::Delivered;
        }
        if !is_wanted {
            return PushState::Dropped;
        }
        if !is_taken && number + 1 < TRIES {
            tokio::time::sleep(PAUSE).await;
        }
    }
    PushState::GivenUp
}

/// An answer of an app's back end.
struct Answered {
    status: StatusCode,
    text: String,
    content_type: String,
    /// The answer was chunked, without a length.
    is_chunked: bool,
}

async fn post(inner: &Inner, written: Written) -> Result<Answered, String> {
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(&written.url)
        .header(header::CONTENT_TYPE, written.content_type)
        .header(header::USER_AGENT, "Mozilla/4.0") // as WeChat's pushes say
        .body(Full::new(Bytes::from(written.body)))
        .map_err(|e| e.to_string())?;
    ask(inner, request).await
}

async fn ask(inner: &Inner, request: http::Request<Full<Bytes>>) -> Result<Answered, String> {
    let response = inner.http.request(request).await.map_err(|e| with_cause(&e))?;
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("none").chars().take(MAX_ANSWER_CHARS).collect();
    let is_chunked = response.headers().contains_key(header::TRANSFER_ENCODING);
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|e| format!("the answer cannot be read: {e}"))?.to_bytes();
    Ok(Answered { status, text: String::from_utf8_lossy(&body).into_owned(), content_type, is_chunked })
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// WeChat's check of a callback URL: the answer must be exactly `echostr`, with a Content-Length.
///
/// The error says in words what was expected and what kind of answer came, and quotes nothing of the answer: otherwise
/// everybody who may set a callback could read servers that only this machine can reach.
pub(crate) async fn check_address(inner: &Inner, callback: &Callback) -> Result<(), String> {
    let echostr = random::alphanumeric(20);
    let url = callback.check_url(inner.clock.now(), &echostr);
    let request = http::Request::get(url).body(Full::default()).map_err(|e| e.to_string())?;
    let asked = tokio::time::timeout(Duration::from_millis(callback.timeout_ms), ask(inner, request)).await;
    let Answered { status, text, content_type, is_chunked } = asked
        .map_err(|_| format!("the address did not answer within {} ms", callback.timeout_ms))?
        .map_err(|e| format!("the request to the address failed: {e}"))?;
    if status != StatusCode::OK {
        return Err(format!("the address answered the check with HTTP {}; it must be 200", status.as_u16()));
    }
    if text == echostr && is_chunked {
        let why = "the answer to the check was echostr, but chunked (Transfer-Encoding: chunked); WeChat refuses a chunked \
                   answer: send the answer with a Content-Length";
        return Err(why.to_owned());
    }
    if text == echostr {
        return Ok(());
    }
    let came = format!("{} bytes of content type {content_type}", text.len());
    Err(match text.trim().trim_matches('"') {
        "" => {
            "the answer to the check was empty; the answer must be exactly the parameter echostr".to_owned()
        }
        inside if inside == echostr => {
            format!("the answer to the check contains more than echostr: {came}")
        }
        _ => format!(
            "the answer to the check must be exactly the parameter echostr ({} bytes), but was {came}",
            echostr.len()
        ),
    })
}
