//! Everything else under WeChat's paths: passed on with the real token in the place of the gateway's.
//!
//! Bodies are not held, in neither direction. There are two exceptions, both small: a request's body up to [`KEPT`] is
//! kept until its answer's head is there, so that the call can be repeated with a fresh token; and the beginning of an
//! answer that looks like JSON, for a refusal is one. An answer is looked at as it streams by, for what is secret.

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

/// A refusal is shorter than this.
const LONGEST_REFUSAL: usize = 4_096;

/// Methods that are passed on. `TRACE` would repeat the request, token and all.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Passes a call on. One that WeChat refused for its token is repeated once with a fresh token, if its body was kept.
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
            // WeChat takes no body of unknown length, and one as long as this is not held to count it.
            drain(body).await;
            return Ok((StatusCode::PRECONDITION_FAILED, Refusal::own(&LENGTH_NEEDED, "")).into_response());
        }
        Taken::Beginning(body) => call.with_running_body(body).await?,
    };
    // The call is under way until its answer has gone by.
    response.extensions_mut().insert(Held(Arc::new(place)));
    Ok(response)
}

/// A path that means the same to everybody who reads it, and is none of the calls that the gateway makes itself: those
/// must not go past it by another spelling.
fn check(request: &Request) -> Result<(), Refusal> {
    let path = request.uri().path();
    let is_own = |call: &&str| is_another_spelling(path, call);
    if !is_plain(path) || OWN_CALLS.iter().any(is_own) {
        return Err(Refusal::new(INVALID_URL, "invalid url"));
    }
    if METHODS.contains(request.method()) { Ok(()) } else { Err(get_required()) }
}

/// What stays the same when a call is repeated.
struct Call<'a> {
    context: &'a Context,
    app: &'a App,
    /// The gateway token that it came with.
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

    /// It goes by only once, so its token had better be good.
    async fn with_running_body(&self, body: Body) -> Result<Response, Refusal> {
        let token = self.context.apps.token_that_lasts(self.app).await.map_err(no_token)?;
        let (body, ended) = watched(body);
        let only = match self.send(&token.value, Upload::running(body)).await {
            // Half a request is none: WeChat has done nothing.
            Err(refusal) if refusal.errcode == OUTCOME_UNKNOWN.errcode && !ended.load(Ordering::Relaxed) => {
                return Err(Refusal::own(&BODY_BROKE_OFF, ""));
            }
            answered => answered?,
        };
        if only.refuses_token
            && let Err(error) = self.context.apps.token_after(self.app, token.generation).await
        {
            // The caller hears of the refusal, and of this when it calls again.
            tracing::warn!(app = %self.app.record.appid, %error, "no fresh token after a refused upload");
        }
        Ok(only.response)
    }

    async fn send(&self, token: &SecretString, body: Upload) -> Result<Answer, Refusal> {
        let path = passed_on(&self.uri, &[(ACCESS_TOKEN, token.expose_secret())]);
        // Below `/sns` there are codes that work once.
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

    /// Reads as much of an answer as tells whether it refuses the token.
    async fn read(&self, answer: StreamedAnswer, token: &SecretString) -> Result<Answer, Refusal> {
        let StreamedAnswer { status, headers, body } = answer;
        if is_packed(&headers) {
            tracing::warn!(path = self.uri.path(), "WeChat packed an answer that was asked for as it is");
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

    /// Where a redirect leads the caller: what is at WeChat's host is at the gateway's, by the caller's own token.
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

    /// Nobody knows whether a call was carried out that was written and not answered; one that only reads may be
    /// made again.
    fn unanswered(&self, failure: Failure) -> Refusal {
        if matches!(failure, Failure::NotSent(_)) || self.method.is_safe() {
            return CallError::Failed(failure).into();
        }
        tracing::warn!(%failure, path = self.uri.path(), "a facade call got no answer from WeChat");
        Refusal::own(&OUTCOME_UNKNOWN, "")
    }
}

/// An answer of which enough was read.
struct Answer {
    refuses_token: bool,
    response: Response,
}

/// Whether an answer can be a refusal by its head: a downloaded image is not searched for one.
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
