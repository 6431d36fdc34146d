//! What the door and the handlers tell each other about a request, beside its bytes.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use hongyan_store::types::Origin;

/// In the extensions of a request. The door says the id of the request and its trace; the handlers say who calls. The console
/// passes the note of a page on to the calls that the page makes. Clones share everything.
#[derive(Debug, Clone)]
pub struct RequestNote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: Option<HeaderValue>,
    traceparent: Option<Arc<str>>,
    /// Somebody will read the caller.
    is_watched: bool,
    caller: OnceLock<String>,
}

impl RequestNote {
    pub(crate) fn new(id: Option<HeaderValue>, traceparent: Option<Arc<str>>, is_watched: bool) -> Self {
        Self(Arc::new(Inner { id, traceparent, is_watched, caller: OnceLock::new() }))
    }

    /// Notes who calls; an id, never a secret.
    pub(crate) fn called_by(request: &Request, caller: impl Display) {
        if let Some(note) = request.extensions().get::<Self>().filter(|note| note.0.is_watched) {
            let _ = note.0.caller.set(caller.to_string());
        }
    }

    /// The caller, if the guard knows the caller.
    pub(crate) fn caller(&self) -> Option<&str> {
        self.0.caller.get().map(String::as_str)
    }
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
