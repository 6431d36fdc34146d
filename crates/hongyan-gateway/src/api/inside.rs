//! The API for a caller in this process: the console, on behalf of a person.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use tower::ServiceExt;

use crate::people::Person;
use crate::request_note::RequestNote;

/// `/v1` as a function. A request passes the same checks as over HTTP (the limit of the body, the guard, the audit trail). The
/// function's caller vouches for the person.
#[derive(Clone)]
pub struct InsideApi(Router);

impl InsideApi {
    pub(super) fn new(router: Router) -> Self {
        Self(router)
    }

    /// Makes a call. `note`: that of the request for the page; a message that the call sends keeps its id and its trace.
    pub async fn call(
        &self,
        person: Arc<Person>,
        note: Option<RequestNote>,
        mut request: Request<Body>,
    ) -> Response<Body> {
        request.extensions_mut().insert(person);
        if let Some(note) = note {
            request.extensions_mut().insert(note);
        }
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
