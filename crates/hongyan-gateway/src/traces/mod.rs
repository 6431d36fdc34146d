//! Traces: spans of requests, of the messages that they bring, of attempts at WeChat and of deliveries to webhooks.
//!
//! ```text
//! caller's span ─▶ request (server) ─▶ message (producer) ─┬─▶ attempt (client), after any wait or restart
//!                                                          └─▶ delivery (client) ─▶ receiver's spans
//! ```
//!
//! A message keeps its `traceparent` in the store ([`hongyan_store::types::Origin`]), and so does a webhook event. A request
//! that is not sampled leaves no `traceparent`, so nothing follows from it.
//!
//! Without `otlp_endpoint`, and in a build without the feature `otlp`, no span is made.

#[cfg(feature = "otlp")]
mod batches;
#[cfg(feature = "otlp")]
mod collector;
pub(crate) mod header;
#[cfg_attr(not(feature = "otlp"), path = "off.rs")]
mod otlp;

use std::fmt::Display;
use std::sync::Arc;

use axum::http::{HeaderMap, Method};

use crate::config::Settings;
use crate::door::limits::Limits;
use otlp::{Exporter, OpenSpan};

/// Makes spans, if they are exported. Clones share the exporter.
#[derive(Clone, Default)]
pub struct Traces(Option<Exporter>);

impl Traces {
    /// Starts to export, if the settings say where to. Needs the runtime.
    ///
    /// # Errors
    /// Why it cannot export.
    pub(crate) fn start(settings: &Settings, limits: &Limits) -> Result<Self, String> {
        let Some(endpoint) = &settings.otlp_endpoint else { return Ok(Self::default()) };
        Exporter::start(endpoint, settings, limits).map(Some).map(Self)
    }

    /// Whether spans are exported.
    pub(crate) const fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// The span of a request that came in. Its parent is the caller's span, if the request names it.
    pub(crate) fn request(&self, method: &Method, headers: &HeaderMap) -> Span {
        let Some(exporter) = &self.0 else { return Span::default() };
        Span(exporter.request(method, headers).map(Box::new))
    }

    /// The span of a message, in the trace of the request that brought it.
    pub(crate) fn message(&self, parent: Option<&str>) -> Span {
        Span(self.0.as_ref().zip(parent).and_then(|(on, parent)| on.message(parent)).map(Box::new))
    }

    /// The span of an attempt at WeChat's `path`, in the trace of its message.
    pub(crate) fn attempt(&self, parent: Option<&str>, path: &'static str) -> Span {
        Span(self.0.as_ref().zip(parent).and_then(|(on, parent)| on.attempt(parent, path)).map(Box::new))
    }

    /// The span of a delivery to a webhook at this host, in the trace of its message.
    pub(crate) fn delivery(&self, parent: Option<&str>, kind: &'static str, host: &str) -> Span {
        Span(
            self.0
                .as_ref()
                .zip(parent)
                .and_then(|(on, parent)| on.delivery(parent, kind, host))
                .map(Box::new),
        )
    }

    /// Exports what is left, within two seconds.
    pub(crate) async fn close(&self) {
        if let Some(exporter) = &self.0 {
            exporter.close().await;
        }
    }
}

/// A span, until it is dropped. Without an exporter, or outside of a sampled trace, nothing.
#[derive(Default)]
pub(crate) struct Span(Option<Box<OpenSpan>>);

impl Span {
    /// Whether there is a span.
    pub(crate) const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// The `traceparent` for the children of the span.
    pub(crate) fn traceparent(&self) -> Option<Arc<str>> {
        self.0.as_ref().map(|span| span.traceparent().into())
    }

    /// Adds an attribute. Never a secret, never an openid; the values of an attribute are bounded or are ids of ours.
    pub(crate) fn text(&mut self, key: &'static str, value: impl Display) {
        if let Some(span) = &mut self.0 {
            span.text(key, value.to_string());
        }
    }

    /// Adds an attribute that is a number.
    pub(crate) fn number(&mut self, key: &'static str, value: impl Into<i64>) {
        if let Some(span) = &mut self.0 {
            span.number(key, value.into());
        }
    }

    /// Names the span anew.
    pub(crate) fn named(&mut self, name: impl FnOnce() -> String) {
        if let Some(span) = &mut self.0 {
            span.named(name());
        }
    }

    /// Marks what the span is about as failed. `kind`: OpenTelemetry's `error.type`.
    pub(crate) fn failed(&mut self, kind: impl Display) {
        if let Some(span) = &mut self.0 {
            let kind = kind.to_string();
            span.text("error.type", kind.clone());
            span.failed(kind);
        }
    }
}
