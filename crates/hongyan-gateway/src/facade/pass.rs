//! Everything else under WeChat's paths: passed on with the real token in the place of the gateway's.
//!
//! Bodies are not held, in neither direction, and not looked into. There are two exceptions, both small: a request's
//! body up to [`KEPT`] is kept until its answer's head is there, so that the call can be repeated with a fresh token;
//! and the beginning of an answer that looks like JSON, for a refusal is one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use hongyan_ledger::settle::is_token_refusal;
use hongyan_wechat::{CallError, Errcode, Failure, SecretString, StreamedAnswer};
use http_body_util::Full;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::answer::{BODY_BROKE_OFF, NO_ACCESS_TOKEN, OUTCOME_UNKNOWN, Refusal, without};
use super::body::{Taken, begin, watched};
use super::headers;
use super::request::{ACCESS_TOKEN, Parameters, passed_on};
use super::token::app_of;
use crate::apps::App;
use crate::door::outgoing::Behalf;
use crate::door::{Held, Upload};
use crate::service::Context;
use crate::token::TokenError;

/// A request's body up to this size is kept, so that it can be sent a second time.
const KEPT: usize = 1024 * 1024;

/// A refusal is shorter than this.
const LONGEST_REFUSAL: usize = 4_096;

/// Passes a call on. One that WeChat refused for its token is repeated once with a fresh token, if its body was kept.
pub(super) async fn pass(
    State(context): State<Context>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Refusal> {
    let app = app_of(&context, parameters.access_token()).await?;
    Upload::begins(&request);
    let place = context.outgoing.place(Behalf::Caller).await.map_err(Refusal::no_place)?;
    let (head, body) = request.into_parts();
    let call = Call {
        context: &context,
        headers: headers::of_request(&head.headers),
        method: head.method,
        uri: head.uri,
    };
    let mut response = match begin(body, KEPT).await.map_err(|_| Refusal::own(&BODY_BROKE_OFF, ""))? {
        Taken::Whole(body) => call.with_whole_body(&app, body).await?,
        Taken::Beginning(body) => call.with_running_body(&app, body).await?,
    };
    // The call is under way until its answer has gone by.
    response.extensions_mut().insert(Held(Arc::new(place)));
    Ok(response)
}

/// What stays the same when a call is repeated.
struct Call<'a> {
    context: &'a Context,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Call<'_> {
    async fn with_whole_body(&self, app: &App, body: Bytes) -> Result<Response, Refusal> {
        let token = self.context.apps.token(app).await.map_err(no_token)?;
        let first = self.send(&token.value, Full::new(body.clone())).await?;
        if !first.refuses_token {
            return Ok(first.response);
        }
        let fresh = self.context.apps.token_after(app, token.generation).await.map_err(no_token)?;
        Ok(self.send(&fresh.value, Full::new(body)).await?.response)
    }

    /// It goes by only once, so its token had better be good.
    async fn with_running_body(&self, app: &App, body: Body) -> Result<Response, Refusal> {
        let token = self.context.apps.token_that_lasts(app).await.map_err(no_token)?;
        let (body, ended) = watched(body);
        let only = match self.send(&token.value, body).await {
            // Half a request is none: WeChat has done nothing.
            Err(refusal) if refusal.errcode == OUTCOME_UNKNOWN.errcode && !ended.load(Ordering::Relaxed) => {
                return Err(Refusal::own(&BODY_BROKE_OFF, ""));
            }
            answered => answered?,
        };
        if only.refuses_token
            && let Err(error) = self.context.apps.token_after(app, token.generation).await
        {
            // The caller hears of the refusal, and of this when it calls again.
            tracing::warn!(app = %app.record.appid, %error, "no fresh token after a refused upload");
        }
        Ok(only.response)
    }

    async fn send<B>(&self, token: &SecretString, body: B) -> Result<Answer, Refusal>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let path = passed_on(&self.uri, &[(ACCESS_TOKEN, token.expose_secret())]);
        let answer = self
            .context
            .wechat
            .stream(self.method.clone(), &path, self.headers.clone(), body)
            .await
            .map_err(|failure| self.unanswered(failure))?;
        self.read(answer, token).await
    }

    /// Reads as much of an answer as tells whether it refuses the token.
    async fn read(&self, answer: StreamedAnswer, token: &SecretString) -> Result<Answer, Refusal> {
        let StreamedAnswer { status, headers, body } = answer;
        let (refuses_token, body) = if may_refuse(&headers) {
            let begun = begin(Body::new(body), LONGEST_REFUSAL).await;
            match begun.map_err(|error| self.unanswered(Failure::Unanswered(error.to_string())))? {
                Taken::Whole(body) => (refuses_token(&body), Body::from(without(body, token))),
                Taken::Beginning(body) => (false, body),
            }
        } else {
            (false, Body::new(body))
        };
        let headers = headers::of_answer(&headers, self.method != Method::HEAD);
        Ok(Answer { refuses_token, response: (status, headers, body).into_response() })
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
    is_text
        && length.is_none_or(|length| length <= LONGEST_REFUSAL)
        && !headers.contains_key(header::CONTENT_ENCODING)
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
