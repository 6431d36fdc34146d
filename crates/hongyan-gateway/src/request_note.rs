//! What the door and the handlers tell each other about a request, beside its bytes.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use hongyan_store::types::Origin;

/// In the extensions of a request. The door says the id of the request and its trace; the handlers say the route and the
/// caller. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct RequestNote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: Option<HeaderValue>,
    traceparent: Option<Arc<str>>,
    /// Somebody will read the route and the caller.
    is_watched: bool,
    route: OnceLock<MatchedPath>,
    caller: OnceLock<String>,
}

impl RequestNote {
    pub(crate) fn new(id: Option<HeaderValue>, traceparent: Option<Arc<str>>, is_watched: bool) -> Self {
        let (route, caller) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Inner { id, traceparent, is_watched, route, caller }))
    }

    /// Notes the route of the request.
    pub(crate) fn routed(request: &Request) {
        let extensions = request.extensions();
        if let Some(note) = extensions.get::<Self>().filter(|note| note.0.is_watched)
            && let Some(path) = extensions.get::<MatchedPath>()
        {
            // The first route is the whole path.
            let _ = note.0.route.set(path.clone());
        }
    }

    /// Notes who calls; an id, never a secret.
    pub(crate) fn called_by(request: &Request, caller: impl Display) {
        if let Some(note) = request.extensions().get::<Self>().filter(|note| note.0.is_watched) {
            let _ = note.0.caller.set(caller.to_string());
        }
    }

    /// The matched path, with its placeholders.
    pub(crate) fn route(&self) -> Option<&str> {
        self.0.route.get().map(MatchedPath::as_str)
    }

    pub(crate) fn caller(&self) -> Option<&str> {
        self.0.caller.get().map(String::as_str)
    }
}

/// Notes the routes of requests that no guard sees.
pub(crate) async fn note_route(request: Request, next: Next) -> Response {
    RequestNote::routed(&request);
    next.run(request).await
}

/// Where the messages of a request come from, as far as the request tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestOrigin(pub(crate) Origin);

impl<S: Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(RequestNote(note)) = parts.extensions.get() else { return Ok(Self::default()) };
        let id = note.id.as_ref().and_then(|id| id.to_str().ok());
        Ok(Self(Origin { request_id: id.map(Into::into), traceparent: note.traceparent.clone() }))
    }
}
