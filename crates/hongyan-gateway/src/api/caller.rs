//! Who calls `/v1`, and what for: found out before anything of the request's body is read.
//!
//! Which scope a call needs is said once, in its OpenAPI block; the table is made from the description. A handler takes
//! [`Caller`], and without the table's consent there is none. What the key may do is decided here, whose apps it may do it
//! to is asked by the handler, which knows the app: [`Caller::app`], [`Caller::sees`], [`Caller::may_name`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::RequestExt;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hongyan_ledger::{EventId, KeyId, MessageId, PermitId, TokenId, WebhookEventId, WebhookId};
use hongyan_store::types::{Actor, ActorKind, KeyRecord, NewAudit, Subject};
use hongyan_wechat::AppId;
use utoipa::openapi::OpenApi;

use crate::apps::{App, GATEWAY_SECRET_PREFIX};
use crate::audit::{self, Limiter, OK};
use crate::door::ClientAddress;
use crate::gateway_tokens::TOKEN_PREFIX;
use crate::keys::{KEY_PREFIX, Refused, Scope};
use crate::login::SESSION_PREFIX;
use crate::problem::{AnswerCode, Problem};
use crate::service::Context;
use crate::webhooks::sign::SECRET_PREFIX;

/// What back ends do all day: no line in the audit trail.
const TRAFFIC: [&str; 4] = ["/v1/messages", "/v1/permits", "/v1/login", "/v1/users/decrypt"];

/// What our credentials begin with: API keys, gateway secrets, gateway tokens, sessions, webhooks' secrets.
const CREDENTIALS: [&str; 5] =
    [KEY_PREFIX, GATEWAY_SECRET_PREFIX, TOKEN_PREFIX, SESSION_PREFIX, SECRET_PREFIX];

/// Somebody whose key has the scope that the call needs.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    key: Arc<KeyRecord>,
    /// What the call turned out to be about, for the audit trail.
    subject: Arc<Mutex<Subject>>,
}

impl Caller {
    /// Its key.
    pub(super) fn key(&self) -> &KeyRecord {
        &self.key
    }

    /// Whether the key is for this app.
    pub(super) fn sees(&self, appid: &AppId) -> bool {
        self.key.is_for(appid)
    }

    /// A registered app that the key is for. Any other looks as if it were not registered.
    pub(super) fn app(&self, context: &Context, appid: &AppId) -> Result<Arc<App>, Problem> {
        context.apps.get(appid).filter(|_| self.sees(appid)).ok_or_else(|| Problem::unknown_app(appid))
    }

    /// Refuses an appid in a request as [`Caller::app`] does, before anything is said about that app. What is no appid is
    /// refused where it is read.
    pub(super) fn may_name(&self, appid: &str) -> Result<(), Problem> {
        match appid.parse() {
            Ok(appid) if !self.sees(&appid) => Err(Problem::unknown_app(&appid)),
            _ => Ok(()),
        }
    }

    /// The app that a list is about: the one that was asked for; for a key that is for one app, that one. A key for
    /// several must say which, for a list walks over everything that it leaves out.
    pub(super) fn one_app(&self, asked: Option<AppId>) -> Result<Option<AppId>, Problem> {
        let Some(apps) = &self.key.apps else { return Ok(asked) };
        match (asked, apps.as_slice()) {
            (Some(appid), _) if self.sees(&appid) => Ok(Some(appid)),
            (Some(appid), _) => Err(Problem::unknown_app(&appid)),
            (None, [only]) => Ok(Some(only.clone())),
            (None, _) => {
                let detail = "this API key is for more than one app: say which";
                Err(Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "missing_field", detail)
                    .field("app"))
            }
        }
    }

    /// Says what the call is about, where its path does not.
    pub(super) fn is_about(&self, subject: Subject) {
        *self.subject.lock().unwrap_or_else(PoisonError::into_inner) = subject;
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!(path = %parts.uri.path(), "this call is not described with a scope, so nobody may make it");
            Problem::internal()
        })
    }
}

/// The scope of each call: by path, for a request asks with a path that it does not own.
type Scopes = HashMap<String, HashMap<Method, Scope>>;

/// Which call needs which scope.
pub(super) struct Guard {
    context: Context,
    scopes: Scopes,
    refusals: Limiter,
}

impl Guard {
    /// As the description says.
    pub(super) fn new(context: Context, description: &OpenApi) -> Self {
        let scopes = scopes(description);
        Self { context, scopes, refusals: Limiter::default() }
    }

    /// The call that a request makes, and the scope that it needs.
    fn call(&self, request: &Request) -> Option<(MatchedPath, Scope)> {
        let path = request.extensions().get::<MatchedPath>()?;
        // Whoever may GET may HEAD: it is the same handler.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let scope = self.scopes.get(path.as_str())?.get(method)?;
        Some((path.clone(), *scope))
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
}

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

/// Lets a request of `/v1` in, or not; its change is written into the audit trail.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let Some((path, scope)) = guard.call(&request) else { return next.run(request).await };
    let path = path.as_str();
    let key = match guard.context.keys.authorize(request.headers(), scope).await {
        Ok(key) => key,
        Err(refused) => {
            guard.note_refusal(&request, &refused);
            return refused.problem.into_response();
        }
    };
    let caller = Caller { key, subject: Arc::default() };
    request.extensions_mut().insert(caller.clone());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || (request.method() == Method::POST && TRAFFIC.contains(&path)) {
        return next.run(request).await;
    }
    let new = NewAudit {
        at: guard.context.clock.now(),
        actor: Actor {
            kind: ActorKind::Key,
            id: Some(caller.key.id.to_string()),
            name: Some(caller.key.name.clone()),
        },
        call: format!("{} {path}", request.method()),
        subject: named_in_path(&guard.context, &mut request, &caller).await,
    };
    let line = match audit::begin(&*guard.context.store, new).await {
        Ok(line) => line,
        Err(error) => return Problem::from(error).into_response(),
    };
    // In a task of its own: a caller who hangs up does not keep a change from being noted that was made for it.
    let done = tokio::spawn(async move {
        let response = next.run(request).await;
        let result = match response.extensions().get::<AnswerCode>() {
            Some(AnswerCode(code)) => (*code).to_owned(),
            None if response.status().is_success() => OK.to_owned(),
            None => response.status().as_str().to_owned(),
        };
        let mut subject = std::mem::take(&mut *caller.subject.lock().unwrap_or_else(PoisonError::into_inner));
        subject.appid = subject.appid.filter(|appid| is_app(&guard.context, appid));
        subject.object = subject.object.filter(|object| is_name(&guard.context, object));
        line.end(&*guard.context.store, &result, subject).await;
        response
    });
    done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a handler panicked");
        Problem::internal().into_response()
    })
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
