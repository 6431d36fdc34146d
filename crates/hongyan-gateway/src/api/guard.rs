//! Who may call `/v1`: found out before anything of a request's body is read. What a call changes is written into the audit
//! trail.
//!
//! Which scope a call needs is said once, in its OpenAPI block; the table is made from the description. A handler takes
//! [`Caller`], and without the table's consent there is none.

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
use utoipa::openapi::OpenApi;

use super::caller::{Caller, Who};
use crate::apps::GATEWAY_SECRET_PREFIX;
use crate::audit::{self, Limiter, OK};
use crate::context::Context;
use crate::door::ClientAddress;
use crate::gateway_tokens::TOKEN_PREFIX;
use crate::keys::{KEY_PREFIX, Refused, Scope};
use crate::login::SESSION_PREFIX;
use crate::people::Person;
use crate::problem::{AnswerCode, Problem};
use crate::webhooks::sign::SECRET_PREFIX;

/// What back ends do all day: no line in the audit trail.
const TRAFFIC: [&str; 4] = ["/v1/messages", "/v1/permits", "/v1/login", "/v1/users/decrypt"];

/// What our credentials begin with: API keys, gateway secrets, gateway tokens, sessions, webhooks' secrets.
const CREDENTIALS: [&str; 5] =
    [KEY_PREFIX, GATEWAY_SECRET_PREFIX, TOKEN_PREFIX, SESSION_PREFIX, SECRET_PREFIX];

/// The scope of each call: by path, for a request asks with a path that it does not own.
type Scopes = HashMap<String, HashMap<Method, Scope>>;

/// Which call needs which scope, and how large a request may be.
pub(super) struct Guard {
    context: Context,
    scopes: Scopes,
    body_limit: DefaultBodyLimit,
    refusals: Limiter,
}

impl Guard {
    /// As the description says.
    pub(super) fn new(context: Context, description: &OpenApi) -> Arc<Self> {
        let scopes = scopes(description);
        let body_limit = DefaultBodyLimit::max(context.settings.max_body_bytes);
        Arc::new(Self { context, scopes, body_limit, refusals: Limiter::default() })
    }

    /// The scope that a request's call needs; `None`: it is none of `/v1`.
    fn scope(&self, request: &Request) -> Option<Scope> {
        let path = request.extensions().get::<MatchedPath>()?;
        // Whoever may GET may HEAD: it is the same handler.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        self.scopes.get(path.as_str())?.get(method).copied()
    }

    fn note_refusal(&self, request: &Request, refused: &Refused) {
        self.context.report.key_refused(refused.reason.name());
        let Some(held_back) = self.refusals.may_write(self.context.clock.now()) else { return };
        // The door says it of each request.
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

    /// Lets a request in, or not; what it changes is written into the audit trail.
    async fn admit<S>(self: Arc<Self>, mut request: Request, scope: Scope, mut inner: S) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let who = match request.extensions_mut().remove::<Arc<Person>>() {
            Some(person) => match may(&person, scope, &request) {
                Ok(()) => Who::Person(person),
                Err(problem) => return problem.into_response(),
            },
            None => match self.context.keys.authorize(request.headers(), scope).await {
                Ok(key) => Who::Key(key),
                Err(refused) => {
                    self.note_refusal(&request, &refused);
                    return refused.problem.into_response();
                }
            },
        };
        let Some(path) = path_of_change(&request) else {
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
        let line = match audit::begin(&*self.context.store, new).await {
            Ok(line) => line,
            Err(error) => return Problem::from(error).into_response(),
        };
        // In a task of its own: a caller who hangs up does not keep a change from being noted that was made for it.
        let done = tokio::spawn(async move {
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
        });
        done.await.unwrap_or_else(|error| {
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
        Err(Problem::not_for_role(person.role))
    }
}

/// The path of a call that has a line in the audit trail.
fn path_of_change(request: &Request) -> Option<MatchedPath> {
    let path = request.extensions().get::<MatchedPath>()?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_traffic = *request.method() == Method::POST && TRAFFIC.contains(&path.as_str());
    (!reads && !is_traffic).then(|| path.clone())
}

/// A service that the guard stands before. It is no middleware of axum's, for those make several copies and boxes of
/// each request; here what needs no look into the store goes straight through.
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
        // What a person sends begins in this process, and names no key.
        if request.extensions().get::<Arc<Person>>().is_none()
            && path_of_change(&request).is_none()
            && let Some(key) = guard.context.keys.recognize(request.headers(), scope)
        {
            request.extensions_mut().insert(Caller::unnoted(Who::Key(key)));
            return Either::Left(self.inner.call(request));
        }
        // The one that is ready goes along; its copy may not be ready.
        let copy = self.inner.clone();
        let inner = mem::replace(&mut self.inner, copy);
        Either::Right(Box::pin(Arc::clone(guard).admit(request, scope, inner).map(Ok)))
    }
}

/// The answer of a request that had to be looked at more closely.
pub(super) type Admission = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// The scopes of all described calls.
fn scopes(description: &OpenApi) -> Scopes {
    // The description's types have no way to look into a requirement; as JSON it can be read.
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

/// What a call is about, as its path says: the last id in it, and the app. A foreign app is not named: that somebody
/// guessed it is nobody's business who is responsible for that app alone.
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

/// Whether a text names something. The trail is read by others than those who call, and what stands in a path by mistake
/// may be a key that works: a text that names nothing has no place in it.
fn is_name(context: &Context, text: &str) -> bool {
    is_id(text) || text.parse().is_ok_and(|appid| is_app(context, &appid))
}

/// Whether a text is an id of ours. No credential has the form of one.
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

/// Whether an app is registered, or could be: almost any text can be parsed as an appid, also a key.
fn is_app(context: &Context, appid: &AppId) -> bool {
    !looks_like_credential(appid.as_str())
        && (context.apps.get(appid).is_some() || has_form_of_appid(appid.as_str()))
}

/// Whether a text begins as our credentials do.
pub(super) fn looks_like_credential(text: &str) -> bool {
    CREDENTIALS.iter().any(|prefix| text.starts_with(prefix))
}

/// As WeChat makes them: `wx` and 16 hexadecimal digits.
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
