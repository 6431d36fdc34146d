//! What the door and the handlers tell each other beside the bytes.

use std::any::Any;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

/// The body of a request did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request did not come in time")]
pub(crate) struct BodyTooSlow;

impl BodyTooSlow {
    /// Whether a slow body is the cause of an error.
    pub(crate) fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// In the extensions of an answer that refuses a wrong key, session, secret, token or signature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrongCredential;

/// Says that an answer refuses a wrong credential: the door lets nobody try many.
pub fn is_wrong_credential<B>(response: &mut axum::http::Response<B>) {
    response.extensions_mut().insert(WrongCredential);
}

/// In the extensions of an answer: the pattern of the route that made the answer.
#[derive(Debug, Clone)]
pub(crate) struct Route(pub(crate) MatchedPath);

/// Tells the door which route answers. Only a layer of the router sees the route.
pub(super) async fn tell_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route));
    }
    response
}

/// A value that lives until the last byte of the answer has been written: put it into the extensions of the response.
#[derive(Clone)]
pub(crate) struct Held(
    #[expect(dead_code, reason = "it is kept, not read")] pub(crate) Arc<dyn Any + Send + Sync>,
);
