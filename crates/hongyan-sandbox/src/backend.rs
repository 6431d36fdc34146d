//! The phone's way to the mini program's back end.
//!
//! `wx.request` has no same-origin rule; a browser has. So the page sends the request to the sandbox, which passes it on.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::control::ControlError;
use crate::inner::Inner;

/// The size limit of a body in either direction.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// The time limit: `wx.request` gives up after a minute too.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// `/backend/…`.
pub(crate) fn routes() -> Router<Arc<Inner>> {
    Router::new().route("/backend/{*path}", any(pass_on))
}

async fn pass_on(
    Shared(inner): Shared<Arc<Inner>>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, ControlError> {
    let mut url = inner.backend().ok_or_else(|| {
        ControlError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_backend",
            "no back end is configured; `hongyan demo` starts with a back end",
        )
    })?;
    let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&joined);
    url.set_query(request.uri().query());

    let (parts, body) = request.into_parts();
    let body = bounded(body, "the request's body").await?;
    let mut outgoing = http::Request::builder().method(parts.method).uri(url.as_str());
    for name in [header::CONTENT_TYPE, header::ACCEPT, header::AUTHORIZATION] {
        if let Some(value) = parts.headers.get(&name) {
            outgoing = outgoing.header(name, value);
        }
    }
    let outgoing = outgoing.body(Full::new(body)).map_err(|e| unreachable_backend(&e))?;
    let answered = tokio::time::timeout(ANSWER_TIMEOUT, inner.http.request(outgoing)).await;
    let (parts, body) = answered
        .map_err(|e| {
            ControlError::new(StatusCode::GATEWAY_TIMEOUT, "backend_timeout", format!("the back end: {e}"))
        })?
        .map_err(|e| unreachable_backend(&e))?
        .into_parts();

    let body = bounded(Body::new(body), "the back end's answer").await?;
    let mut response = (parts.status, body).into_response();
    // Only the back end's own content type is passed on; axum's default would be another type.
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(content_type) = parts.headers.get(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    Ok(response)
}

async fn bounded(body: Body, what: &str) -> Result<Bytes, ControlError> {
    let read = Limited::new(body, MAX_BODY_BYTES).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(|e| {
        ControlError::new(StatusCode::BAD_GATEWAY, "backend_body", format!("{what} cannot be read: {e}"))
    })
}

fn unreachable_backend(error: &dyn std::error::Error) -> ControlError {
    let cause = error.source().map(|s| format!(": {s}")).unwrap_or_default();
    let text = format!("the back end cannot be reached: {error}{cause}");
    ControlError::new(StatusCode::BAD_GATEWAY, "backend_unreachable", text)
}
