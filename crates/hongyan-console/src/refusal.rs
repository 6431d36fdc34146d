//! Why something was not done.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::Value;

/// Why `/v1` refused, as its problem says (RFC 9457).
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// The problem's stable code.
    pub(crate) code: String,
    /// What is wrong, in words (English).
    pub(crate) detail: String,
    /// The field that is wrong, if it is one.
    pub(crate) field: Option<String>,
    /// Everything else that the problem says.
    pub(crate) problem: Value,
}

impl Refusal {
    /// A refusal of the console itself.
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), detail: detail.into(), field: None, problem: Value::Null }
    }

    /// 404.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such page")
    }

    /// What cannot be read.
    pub(crate) fn unreadable(what: impl std::fmt::Display) -> Self {
        tracing::error!(%what, "the console cannot read an answer of the API");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the console could not read an answer of the API",
        )
    }

    pub(crate) fn of(status: StatusCode, body: &[u8]) -> Self {
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| problem[name].as_str().map(str::to_owned);
        Self {
            status,
            code: text("code").unwrap_or_else(|| "unknown".to_owned()),
            detail: text("detail").or_else(|| text("title")).unwrap_or_else(|| status.to_string()),
            field: text("field"),
            problem,
        }
    }
}

/// Marks the answer. The page around it is drawn by [`crate::admit::draw_refusals`], which knows who asks.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
