//! Passes on all other calls under WeChat's paths, with the real token instead of the gateway token.
//!
//! Bodies are streamed in both directions, with two small exceptions. A request's body up to [`KEPT`] is kept until the
//! answer's head arrives, so that the call can be repeated with a fresh token. The beginning of an answer that looks like JSON
//! is read ahead, because it may be a refusal. Every streamed answer is searched for secrets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hongyan_ledger::settle::is_token_refusal;
use hongyan_wechat::blot::Blotter;
use hongyan_wechat::paths::{is_another_spelling, is_plain};
use hongyan_wechat::{CallError, Errcode, Failure, Repeat, SecretString, StreamedAnswer, Upload, query};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::answer::{
    ANSWER_PACKED, BODY_BROKE_OFF, GATEWAY_FAILED, INVALID_URL, LENGTH_NEEDED, NO_ACCESS_TOKEN,
    OUTCOME_UNKNOWN, Refusal, get_required,
};
use super::body::{Taken, begin, drain, watched};
use super::calls::OWN_CALLS;
use super::clean::{blotter, cleaned, is_packed};
use super::headers;
use super::request::{ACCESS_TOKEN, OURS, Parameters, passed_on};
use super::token::app_of;
use crate::apps::App;
use crate::context::Context;
use crate::door::outgoing::Behalf;
use crate::door::{self, Held};
use crate::token::TokenError;

/// A request's body up to this size is kept, so that it can be sent a second time.
const KEPT: usize = 1024 * 1024;

/// A refusal's body is shorter than this.
const LONGEST_REFUSAL: usize = 4_096;

/// Methods that are passed on. The answer to `TRACE` would repeat the request with its token.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Passes a call on. If WeChat refuses its token, the call is repeated once with a fresh token, if its body was kept.
pub(super) async fn pass(
    State(context): State<Context>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Refusal> {
    check(&request)?;
    let given_token = parameters.access_token();
    let app = app_of(&context, given_token).await?;
    door::Upload::begins(&request);
    let place = context.outgoing.place(Behalf::Caller).await.map_err(Refusal::no_place)?;
    let (head, body) = request.into_parts();
    let call = Call {
        context: &context,
        app: &app,
        given_token: given_token.unwrap_or_default(),
        headers: headers::of_request(&head.headers),
        method: head.method,
        uri: head.uri,
    };
    let mut response = match begin(body, KEPT).await.map_err(|_| Refusal::own(&BODY_BROKE_OFF, ""))? {
        Taken::Whole(body) => call.with_whole_body(body).await?,
        Taken::Beginning(body) if body.size_hint().exact().is_none() => {
            // WeChat does not accept a body of unknown length, and a body of this size is not buffered to count it.
            drain(body).await;
            return Ok((StatusCode::PRECONDITION_FAILED, Refusal::own(&LENGTH_NEEDED, "")).into_response());
        }
        Taken::Beginning(body) => call.with_running_body(body).await?,
    };
    // The call keeps its place until the answer's body has been passed on.
    response.extensions_mut().insert(Held(Arc::new(place)));
    Ok(response)
}

/// Refuses a path that a proxy or WeChat may read differently, and another spelling of a call that the gateway handles
/// itself, so that such a call cannot bypass the gateway.
fn check(request: &Request) -> Result<(), Refusal> {
    let path = request.uri().path();
    let is_own = |call: &&str| is_another_spelling(path, call);
    if !is_plain(path) || OWN_CALLS.iter().any(is_own) {
        return Err(Refusal::new(INVALID_URL, "invalid url"));
    }
    if METHODS.contains(request.method()) { Ok(()) } else { Err(get_required()) }
}

/// The parts of a call that stay the same when it is repeated.
struct Call<'a> {
    context: &'a Context,
    app: &'a App,
    /// The caller's gateway token.
    given_token: &'a str,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Call<'_> {
    async fn with_whole_body(&self, body: Bytes) -> Result<Response, Refusal> {
        let token = self.context.apps.token(self.app).await.map_err(no_token)?;
        let first = self.send(&token.value, Upload::Whole(body.clone())).await?;
        if !first.refuses_token {
            return Ok(first.response);
        }
        let fresh = self.context.apps.token_after(self.app, token.generation).await.map_err(no_token)?;
        Ok(self.send(&fresh.value, Upload::Whole(body)).await?.response)
    }

    /// Sends a body that can be sent only once, because it is not kept.
    async fn with_running_body(&self, body: Body) -> Result<Response, Refusal> {
        let token = self.context.apps.token_that_lasts(self.app).await.map_err(no_token)?;
        let (body, ended) = watched(body);
        let only = match self.send(&token.value, Upload::running(body)).await {
            // The request is incomplete, so WeChat cannot have carried it out.
            Err(refusal) if refusal.errcode == OUTCOME_UNKNOWN.errcode && !ended.load(Ordering::Relaxed) => {
                return Err(Refusal::own(&BODY_BROKE_OFF, ""));
            }
            answered => answered?,
        };
        if only.refuses_token
            && let Err(error) = self.context.apps.token_after(self.app, token.generation).await
        {
            // The caller gets WeChat's refusal now, and this error with its next call.
            tracing::warn!(app = %self.app.record.appid, %error, "no fresh token after a refused upload");
        }
        Ok(only.response)
    }

    async fn send(&self, token: &SecretString, body: Upload) -> Result<Answer, Refusal> {
        let path = passed_on(&self.uri, &[(ACCESS_TOKEN, token.expose_secret())]);
        // Calls below `/sns` may have a code that works only once.
        let may_repeat = self.method.is_safe() && !self.uri.path().starts_with("/sns/");
        let repeat = if may_repeat { Repeat::IfHungUp } else { Repeat::Never };
        let answer = self
            .context
            .wechat
            .stream(self.method.clone(), &path, self.headers.clone(), body, repeat)
            .await
            .map_err(|failure| self.unanswered(failure))?;
        self.read(answer, token).await
    }

    /// Reads enough of an answer to see whether WeChat refuses the token.
    async fn read(&self, answer: StreamedAnswer, token: &SecretString) -> Result<Answer, Refusal> {
        let StreamedAnswer { status, headers, body } = answer;
        if is_packed(&headers) {
            tracing::warn!(
                path = self.uri.path(),
                "WeChat compressed an answer although the request did not allow it"
            );
            return Err(Refusal::own(&ANSWER_PACKED, ""));
        }
        let blotter = blotter(self.context, self.app, Some(token))?;
        let has_body = self.method != Method::HEAD;
        let mut passed = headers::of_answer(&headers, has_body, &blotter);
        if let Some(location) = headers.get(header::LOCATION) {
            passed.insert(header::LOCATION, self.relocated(location, &blotter)?);
        }
        let (refuses_token, body) = if may_refuse(&headers) {
            let begun = begin(Body::new(body), LONGEST_REFUSAL).await;
            match begun.map_err(|error| self.unanswered(Failure::Unanswered(error.to_string())))? {
                Taken::Whole(body) => (refuses_token(&body), Body::from(blotter.whole(&body).into_owned())),
                Taken::Beginning(body) => (false, cleaned(body, blotter)),
            }
        } else {
            (false, cleaned(Body::new(body), blotter))
        };
        Ok(Answer { refuses_token, response: (status, passed, body).into_response() })
    }

    /// A redirect's target for the caller: WeChat's host becomes the gateway's, and the token becomes the caller's own.
    fn relocated(&self, location: &HeaderValue, blotter: &Blotter) -> Result<HeaderValue, Refusal> {
        let base = &self.context.settings.wechat_base_url;
        let to = location.to_str().ok().and_then(|to| base.join(self.uri.path()).ok()?.join(to).ok());
        let here = to.and_then(|to| {
            if to.origin() != base.origin() {
                return Some(to.to_string());
            }
            let path = to.path().strip_prefix(base.path().trim_end_matches('/'))?;
            let query = to.query().unwrap_or_default();
            let had_token = query::parameters(query).any(|(name, _)| name == ACCESS_TOKEN);
            let token = [(ACCESS_TOKEN, self.given_token)];
            Some(query::rewritten(path, query, &OURS, if had_token { &token } else { &[] }))
        });
        here.filter(|here| !blotter.is_in(here.as_bytes()))
            .and_then(|here| HeaderValue::try_from(here).ok())
            .ok_or_else(|| Refusal::own(&GATEWAY_FAILED, "redirect"))
    }

    /// The refusal of a call that WeChat did not answer. A call that changes something may have been carried out; a call that
    /// only reads may be repeated.
    fn unanswered(&self, failure: Failure) -> Refusal {
        if matches!(failure, Failure::NotSent(_)) || self.method.is_safe() {
            return CallError::Failed(failure).into();
        }
        tracing::warn!(%failure, path = self.uri.path(), "a facade call got no answer from WeChat");
        Refusal::own(&OUTCOME_UNKNOWN, "")
    }
}

/// An answer of which enough has been read.
struct Answer {
    refuses_token: bool,
    response: Response,
}

/// Whether an answer may be a refusal, by its headers: a downloaded image is not.
fn may_refuse(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
    let is_text = text(header::CONTENT_TYPE).is_none_or(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind.contains("json") || kind.starts_with("text/plain")
    });
    is_text && length.is_none_or(|length| length <= LONGEST_REFUSAL)
}

fn refuses_token(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        errcode: Errcode,
    }
    serde_json::from_slice::<Head>(body).is_ok_and(|head| is_token_refusal(head.errcode))
}

pub(super) fn no_token(error: TokenError) -> Refusal {
    match error {
        TokenError::Refused { errcode, errmsg } => Refusal::new(errcode, errmsg),
        other => Refusal::own(&NO_ACCESS_TOKEN, other.to_string()),
    }
}
