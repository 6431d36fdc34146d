//! Checks who may call `/v1`, before the request's body is read, and writes changes into the audit trail.
//!
//! The scope of a call is declared once, in its OpenAPI block; the guard's table is made from the description. A handler
//! takes [`Caller`], and a call that is missing in the table gets no [`Caller`].

use std::collections::HashMap;
use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use axum::RequestExt;
use axum::extract::{DefaultBodyLimit, MatchedPath, RawPathParams, Request};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::Either;
use hongyan_ledger::{EventId, KeyId, MessageId, PermitId, PersonId, TokenId, WebhookEventId, WebhookId};
use hongyan_store::types::{NewAudit, Subject};
use hongyan_wechat::AppId;
use tower::Service;
use tracing::Instrument;
use utoipa::openapi::OpenApi;

use super::caller::{Caller, Who};
use crate::apps::GATEWAY_SECRET_PREFIX;
use crate::audit::{self, Fields, Limiter, OK};
use crate::context::Context;
use crate::door::ClientAddress;
use crate::gateway_tokens::TOKEN_PREFIX;
use crate::keys::{KEY_PREFIX, Refused, Scope};
use crate::login::SESSION_PREFIX;
use crate::people::{self, Person};
use crate::problem::{AnswerCode, Problem};
use crate::request_note::RequestNote;
use crate::webhooks::sign::SECRET_PREFIX;

/// The calls that back ends make all day. They get no line in the audit trail, unless a person makes them at the console.
const TRAFFIC: [&str; 4] = ["/v1/messages", "/v1/permits", "/v1/login", "/v1/users/decrypt"];

/// The prefixes of our credentials: API keys, gateway secrets, gateway tokens, sessions of users and of people, webhooks'
/// secrets.
const CREDENTIALS: [&str; 6] =
    [KEY_PREFIX, GATEWAY_SECRET_PREFIX, TOKEN_PREFIX, SESSION_PREFIX, people::SESSION_PREFIX, SECRET_PREFIX];

/// The scope of each call, by path and method. Nested, because a lookup has a borrowed path.
type Scopes = HashMap<String, HashMap<Method, Scope>>;

/// Which call needs which scope, and how large a request may be.
pub(super) struct Guard {
    context: Context,
    scopes: Scopes,
    body_limit: DefaultBodyLimit,
    refusals: Limiter,
}

impl Guard {
    /// A guard with the scopes that the description declares.
    pub(super) fn new(context: Context, description: &OpenApi) -> Arc<Self> {
        let scopes = scopes(description);
        let body_limit = DefaultBodyLimit::max(context.settings.max_body_bytes);
        Arc::new(Self { context, scopes, body_limit, refusals: Limiter::default() })
    }

    /// The scope that a request needs; `None`: the request is not for `/v1`.
    fn scope(&self, request: &Request) -> Option<Scope> {
        let path = request.extensions().get::<MatchedPath>()?;
        // HEAD needs the scope of GET: both have the same handler.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        self.scopes.get(path.as_str())?.get(method).copied()
    }

    fn note_refusal(&self, request: &Request, refused: &Refused) {
        self.context.report.key_refused(refused.reason.name());
        let Some(held_back) = self.refusals.may_write(self.context.clock.now()) else { return };
        // The door adds the address to each request.
        let address = request.extensions().get::<ClientAddress>().map(|from| from.0);
        tracing::warn!(
            target: "audit",
            reason = refused.reason.name(),
            key_hash = refused.hash.as_deref(),
            address = address.map(tracing::field::display),
            method = %request.method(),
            path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str),
            held_back,
            "an API key was refused"
        );
    }

    /// Refuses a person's request. A change that the person has tried has a line in the audit trail: no page offers it, so
    /// the person has sent the form by hand.
    async fn note_try(&self, mut request: Request, person: Arc<Person>, problem: Problem) -> Response {
        let path = request.extensions().get::<MatchedPath>().cloned();
        let Some(path) = path.filter(|_| !is_read(&request)) else { return problem.into_response() };
        let caller = Caller::noted(Who::Person(person));
        let new = NewAudit {
            at: self.context.clock.now(),
            actor: caller.actor(),
            call: format!("{} {}", request.method(), path.as_str()),
            subject: named_in_path(&self.context, &mut request, &caller).await,
        };
        match audit::begin(&*self.context.store, new).await {
            Ok(line) => line.end(&*self.context.store, "forbidden", caller.take_subject()).await,
            Err(error) => return Problem::from(error).into_response(),
        }
        problem.into_response()
    }

    /// Lets a request in or refuses it; writes a change into the audit trail.
    async fn admit<S>(self: Arc<Self>, mut request: Request, scope: Scope, mut inner: S) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let who = match request.extensions_mut().remove::<Arc<Person>>() {
            Some(person) => match may(&person, scope, &request) {
                Ok(()) => Who::Person(person),
                Err(problem) => return self.note_try(request, person, problem).await,
            },
            None => match self.context.keys.authorize(request.headers(), scope).await {
                Ok(key) => Who::Key(key),
                Err(refused) => {
                    self.note_refusal(&request, &refused);
                    return refused.problem.into_response();
                }
            },
        };
        match &who {
            Who::Key(key) => RequestNote::called_by(&request, key.id),
            Who::Person(person) => RequestNote::called_by(&request, person.id),
        }
        let Some(path) = path_of_change(&request, matches!(who, Who::Person(_))) else {
            request.extensions_mut().insert(Caller::unnoted(who));
            let Ok(response) = inner.call(request).await;
            return response;
        };
        let caller = Caller::noted(who);
        request.extensions_mut().insert(caller.clone());
        let new = NewAudit {
            at: self.context.clock.now(),
            actor: caller.actor(),
            call: format!("{} {}", request.method(), path.as_str()),
            subject: named_in_path(&self.context, &mut request, &caller).await,
        };
        let fields = Fields::default();
        request.extensions_mut().insert(fields.clone());
        let line = match audit::begin(&*self.context.store, new).await {
            Ok(line) => line.of_fields(fields),
            Err(error) => return Problem::from(error).into_response(),
        };
        // A task of its own, so that a change is recorded even if the caller hangs up.
        let change = async move {
            let Ok(response) = inner.call(request).await;
            let result = match response.extensions().get::<AnswerCode>() {
                Some(AnswerCode(code)) => (*code).to_owned(),
                None if response.status().is_success() => OK.to_owned(),
                None => response.status().as_str().to_owned(),
            };
            let mut subject = caller.take_subject();
            subject.appid = subject.appid.filter(|appid| is_app(&self.context, appid));
            subject.object = subject.object.filter(|object| is_name(&self.context, object));
            line.end(&*self.context.store, &result, subject).await;
            response
        };
        tokio::spawn(change.in_current_span()).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a handler panicked");
            Problem::internal().into_response()
        })
    }
}

/// Refuses a person whose role is not enough for a call.
fn may(person: &Person, scope: Scope, request: &Request) -> Result<(), Problem> {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if person.role.may(scope, request.method(), path) {
        Ok(())
    } else {
        Err(Problem::not_for_role(person.role.name()))
    }
}

/// The path of a call that has a line in the audit trail.
fn path_of_change(request: &Request, is_persons: bool) -> Option<MatchedPath> {
    let path = request.extensions().get::<MatchedPath>()?;
    let is_traffic = *request.method() == Method::POST
        && TRAFFIC.contains(&path.as_str())
        && (!is_persons || only_checks(request));
    (!is_read(request) && !is_traffic).then(|| path.clone())
}

/// Whether a request to send only checks the message and changes nothing.
fn only_checks(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "validate" && value == "true")
}

fn is_read(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// A service behind the guard. This is not an axum middleware, because axum's copy and box each request several times. Here a
/// request that needs no look into the store is passed on directly.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    guard: Arc<Guard>,
    inner: S,
}

impl<S> Guarded<S> {
    pub(super) fn new(guard: Arc<Guard>, inner: S) -> Self {
        Self { guard, inner }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Admission>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let guard = &self.guard;
        guard.body_limit.apply(&mut request);
        let Some(scope) = guard.scope(&request) else { return Either::Left(self.inner.call(request)) };
        // A person's request begins in this process and has no API key.
        if request.extensions().get::<Arc<Person>>().is_none()
            && path_of_change(&request, false).is_none()
            && let Some(key) = guard.context.keys.recognize(request.headers(), scope)
        {
            RequestNote::called_by(&request, key.id);
            request.extensions_mut().insert(Caller::unnoted(Who::Key(key)));
            return Either::Left(self.inner.call(request));
        }
        // Take the service that is ready and leave the copy, which may not be ready.
        let copy = self.inner.clone();
        let inner = mem::replace(&mut self.inner, copy);
        Either::Right(Box::pin(Arc::clone(guard).admit(request, scope, inner).map(Ok)))
    }
}

/// The answer to a request that the guard has to check asynchronously.
pub(super) type Admission = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// The scopes of all described calls.
fn scopes(description: &OpenApi) -> Scopes {
    // utoipa's types do not expose a security requirement, so it is read from the JSON.
    let paths = serde_json::to_value(&description.paths).unwrap_or_default();
    let mut scopes = Scopes::new();
    for (path, item) in paths.as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let scope = operation["security"][0]["api_key"][0].as_str().and_then(|name| name.parse().ok());
            let method = method.to_uppercase().parse();
            if let (Some(scope), Ok(method)) = (scope, method) {
                scopes.entry(path.clone()).or_default().insert(method, scope);
            }
        }
    }
    scopes
}

/// What a call is about, according to its path: the last id in the path, and the app. An app that the caller may not see is
/// left out, so that a guess does not appear in the audit trail of that app.
async fn named_in_path(context: &Context, request: &mut Request, caller: &Caller) -> Subject {
    let Ok(names) = request.extract_parts::<RawPathParams>().await else { return Subject::default() };
    let mut subject = Subject::default();
    for (name, value) in &names {
        if name == "appid" {
            subject.appid = value.parse().ok().filter(|appid| caller.sees(appid) && is_app(context, appid));
        }
        let app = subject.appid.as_ref().and_then(|appid| context.apps.get(appid));
        let is_template = || app.is_some_and(|app| app.templates.contains_key(value));
        if is_name(context, value) || (name == "template" && is_template()) {
            subject.object = Some(value.to_owned());
        }
    }
    subject
}

/// Whether a text names something. A text in a path may by mistake be a working key, and other people read the audit trail.
/// So a text that names nothing is not written into it.
fn is_name(context: &Context, text: &str) -> bool {
    is_id(text) || text.parse().is_ok_and(|appid| is_app(context, &appid))
}

/// Whether a text is an id of ours. No credential has the form of an id.
fn is_id(text: &str) -> bool {
    text.parse::<MessageId>().is_ok()
        || text.parse::<PermitId>().is_ok()
        || text.parse::<EventId>().is_ok()
        || text.parse::<KeyId>().is_ok()
        || text.parse::<PersonId>().is_ok()
        || text.parse::<TokenId>().is_ok()
        || text.parse::<WebhookId>().is_ok()
        || text.parse::<WebhookEventId>().is_ok()
}

/// Whether an appid is registered or has the form of WeChat's appids. Almost any text parses as an appid, even a key.
fn is_app(context: &Context, appid: &AppId) -> bool {
    !looks_like_credential(appid.as_str())
        && (context.apps.get(appid).is_some() || has_form_of_appid(appid.as_str()))
}

/// Whether a text begins like one of our credentials.
pub(crate) fn looks_like_credential(text: &str) -> bool {
    CREDENTIALS.iter().any(|prefix| text.starts_with(prefix))
}

/// Whether an appid has the form of WeChat's appids: `wx` and 16 hexadecimal digits.
fn has_form_of_appid(text: &str) -> bool {
    text.strip_prefix("wx")
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::calls;

    #[test]
    fn every_call_of_v1_needs_a_scope_and_no_other_call_does() {
        let (_, description) = calls().split_for_parts();
        let scopes = scopes(&description);
        let paths = serde_json::to_value(&description.paths).unwrap();
        let mut seen = 0;
        for (path, item) in paths.as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let name = method.to_uppercase().parse().unwrap();
                let is_scoped = scopes.get(path).is_some_and(|of_path| of_path.contains_key::<Method>(&name));
                assert_eq!(is_scoped, path.starts_with("/v1/"), "{method} {path}");
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
        let revealing = &scopes["/v1/apps/{appid}/access_token"];
        assert_eq!(revealing.get(&Method::POST), Some(&Scope::AccessToken));
    }
}
