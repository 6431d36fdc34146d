//! The header of W3C's trace context.

use axum::http::HeaderName;

/// Names the trace, and the span that is the parent.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
