//! Spans by OpenTelemetry's SDK, exported by OTLP over HTTP.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use url::Url;

use super::batches::Batches;
use super::collector::Collector;
use super::header::TRACEPARENT;
use crate::config::Settings;
use crate::door::limits::Limits;

/// What the spans are made by, for those who read them.
const SCOPE: &str = "hongyan";

#[derive(Clone)]
pub(super) struct Exporter {
    tracer: SdkTracer,
    batches: Arc<Batches>,
    /// The host of WeChat's API.
    wechat: Arc<str>,
}

impl Exporter {
    pub(super) fn start(endpoint: &Url, settings: &Settings, limits: &Limits) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new()?)
            // The exporter would sleep between two tries, and block a thread of the runtime.
            .with_retry_policy(RetryPolicy::disabled())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')))
            .build()
            .map_err(|error| error.to_string())?;
        // The root decides for its whole trace; a caller's decision counts before ours.
        let root = Sampler::TraceIdRatioBased(settings.otlp_sample.unwrap_or(1.0));
        let (batches, processor) = Batches::start(exporter, &resource(settings), limits.clone());
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(root)))
            .with_span_processor(processor)
            .with_resource(resource(settings))
            .build();
        let wechat = settings.wechat_base_url.host_str().unwrap_or_default().into();
        Ok(Self { tracer: provider.tracer(SCOPE), batches: Arc::new(batches), wechat })
    }

    pub(super) fn request(&self, method: &Method, headers: &HeaderMap) -> Option<OpenSpan> {
        let parent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(read);
        // A method of the caller's own would be an unbounded value.
        let method = match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS => method.as_str(),
            _ => "_OTHER",
        };
        let mut span = self.begin(parent, SpanKind::Server, method.to_owned())?;
        span.text("http.request.method", method.to_owned());
        Some(span)
    }

    pub(super) fn message(&self, parent: &str) -> Option<OpenSpan> {
        self.begin(Some(read(parent)?), SpanKind::Producer, "message")
    }

    pub(super) fn attempt(&self, parent: &str, path: &'static str) -> Option<OpenSpan> {
        let mut span = self.post(parent, format!("POST {path}"), &self.wechat)?;
        span.text("url.template", path.to_owned());
        Some(span)
    }

    pub(super) fn delivery(&self, parent: &str, kind: &'static str, host: &str) -> Option<OpenSpan> {
        let mut span = self.post(parent, format!("webhook {kind}"), host)?;
        span.text("hongyan.event.type", kind.to_owned());
        Some(span)
    }

    /// The span of a request that goes out.
    fn post(&self, parent: &str, name: String, host: &str) -> Option<OpenSpan> {
        let mut span = self.begin(Some(read(parent)?), SpanKind::Client, name)?;
        span.text("http.request.method", "POST".to_owned());
        span.text("server.address", host.to_owned());
        Some(span)
    }

    pub(super) async fn close(&self) {
        self.batches.close().await;
    }

    /// Begins a span, unless its trace is not sampled.
    fn begin(
        &self,
        parent: Option<SpanContext>,
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
    ) -> Option<OpenSpan> {
        let context =
            parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let builder = self.tracer.span_builder(name).with_kind(kind);
        let span = self.tracer.build_with_context(builder, &context);
        span.is_recording().then_some(OpenSpan(span))
    }
}

/// What all spans have in common. The standard variables `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` add to it.
fn resource(settings: &Settings) -> Resource {
    let resource = Resource::builder().with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", settings.node_id.clone()),
    ]);
    match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(name) if !name.is_empty() => resource.build(),
        _ => resource.with_service_name(SCOPE).build(),
    }
}

/// A span that has begun. It ends when it is dropped.
pub(super) struct OpenSpan(opentelemetry_sdk::trace::Span);

impl OpenSpan {
    pub(super) fn traceparent(&self) -> String {
        let context = self.0.span_context();
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
    }

    pub(super) fn text(&mut self, key: &'static str, value: String) {
        self.0.set_attribute(KeyValue::new(key, value));
    }

    pub(super) fn number(&mut self, key: &'static str, value: i64) {
        self.0.set_attribute(KeyValue::new(key, value));
    }

    pub(super) fn named(&mut self, name: String) {
        self.0.update_name(name);
    }

    pub(super) fn failed(&mut self, why: String) {
        self.0.set_status(Status::error(why));
    }
}

/// Reads a `traceparent`. `None`: it is not valid, and then it counts as absent (W3C Trace Context, section 3.2).
fn read(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    // Version 00 has four parts; a later version may have more.
    let has_parts = version == "ff" || (version == "00" && parts.next().is_some());
    if has_parts || !is_hex(version, 2) || !is_hex(trace, 32) || !is_hex(span, 16) || !is_hex(flags, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_w3c_says() {
        let good = read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert!(good.is_sampled() && good.is_remote());
        assert_eq!(good.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(!read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap().is_sampled());
        assert!(read("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later").is_some());
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6-00f067aa0ba902b7-01",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
