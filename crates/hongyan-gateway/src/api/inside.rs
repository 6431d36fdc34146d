//! The API for a caller in this process: the console, on behalf of a person.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use tower::ServiceExt;

use crate::people::Person;

/// `/v1` as a function. A request passes the same checks as over HTTP (the limit of the body, the guard, the audit trail). The
/// function's caller vouches for the person.
#[derive(Clone)]
pub struct InsideApi(Router);

impl InsideApi {
    pub(super) fn new(router: Router) -> Self {
        Self(router)
    }

    /// Makes a call.
    pub async fn call(&self, person: Arc<Person>, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(person);
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
