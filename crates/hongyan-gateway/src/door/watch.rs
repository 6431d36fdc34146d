//! Watches a request for the log (target `request`, level debug) and for its trace.

use axum::http::{HeaderValue, Method, Request, StatusCode};
use tokio::time::Instant;
use tracing::Level;

use crate::request_note::RequestNote;
use crate::traces::{Span, Traces};

/// The paths that are asked every few seconds, and whose traces nobody wants.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// A request under way that the log or a trace will tell of.
pub(super) struct Watch {
    note: RequestNote,
    method: Method,
    began: Instant,
    is_logged: bool,
    span: Span,
}

impl Watch {
    /// The note for the handlers, and the watch if anybody wants one. Nearly always nobody does, and a request without an id
    /// then has neither.
    pub(super) fn begin<B>(
        request: &Request<B>,
        id: Option<&HeaderValue>,
        traces: &Traces,
    ) -> (Option<RequestNote>, Option<Self>) {
        let is_logged = tracing::enabled!(target: "request", Level::DEBUG);
        let span = if traces.are_on() && !PROBES.contains(&request.uri().path()) {
            traces.request(request.method(), request.headers())
        } else {
            Span::default()
        };
        let is_watched = is_logged || span.is_some();
        if id.is_none() && !is_watched {
            return (None, None);
        }
        let note = RequestNote::new(id.cloned(), span.traceparent(), is_watched);
        let watch = is_watched.then(|| Self {
            note: note.clone(),
            method: request.method().clone(),
            began: Instant::now(),
            is_logged,
            span,
        });
        (Some(note), watch)
    }

    /// The request was answered. `route`: the pattern of the path, with its placeholders.
    pub(super) fn end(mut self, id: Option<&HeaderValue>, route: Option<&str>, status: StatusCode) {
        let caller = self.note.caller();
        let id = id.and_then(|id| id.to_str().ok());
        if self.is_logged {
            // Never the path itself or its query: they may have a secret or an openid.
            tracing::debug!(
                target: "request",
                id,
                method = %self.method,
                route,
                status = status.as_u16(),
                ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
                caller,
                "a request was answered"
            );
        }
        if self.span.is_some() {
            if let Some(route) = route {
                self.span.named(|| format!("{} {route}", self.method));
                self.span.text("http.route", route);
            }
            if let Some(id) = id {
                self.span.text("hongyan.request.id", id);
            }
            if let Some(caller) = caller {
                self.span.text("hongyan.caller", caller);
            }
            self.span.number("http.response.status_code", status.as_u16());
            if status.is_server_error() {
                self.span.failed(status.as_u16());
            }
        }
    }
}
