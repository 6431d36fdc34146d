//! Refusals of `/_sandbox`, and reading its requests.

use std::borrow::Cow;

use axum::Json;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde_json::json;

/// A refusal: `{"error": "in words", "code": "for_programs"}`.
#[derive(Debug)]
pub(crate) struct ControlError {
    status: StatusCode,
    code: &'static str,
    error: Cow<'static, str>,
}

impl ControlError {
    pub(crate) fn new(status: StatusCode, code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, error: error.into() }
    }

    /// The request is invalid.
    pub(super) fn bad_request(error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", error)
    }

    /// The named thing does not exist.
    pub(super) fn unknown(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, error)
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error, "code": self.code }))).into_response()
    }
}

/// Reads a body as JSON whatever its content type: people often send it by hand with `curl`.
pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ControlError> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|e| ControlError::bad_request(format!("the body: {e}")))
}

/// Reads the query. A parameter without a value, as in `?since=`, counts as missing.
pub(super) fn parse_query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ControlError> {
    let has_value = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    let given: Vec<_> = uri.query().unwrap_or_default().split('&').filter(has_value).collect();
    let uri: Uri = format!("/?{}", given.join("&")).parse().expect("a part of a query is a query");
    Query::try_from_uri(&uri)
        .map(|Query(query)| query)
        .map_err(|e| ControlError::bad_request(format!("the query: {}", e.body_text())))
}
