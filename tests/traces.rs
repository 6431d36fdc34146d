//! Traces: from the request over WeChat to the webhook, and a collector that does not keep up.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use hongyan_gateway::config::Settings;
use http::Method;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::webhooks::receiver::Receiver;
use crate::world::{PATIENCE, World, eventually};

/// The caller's trace and span.
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A span, as it was exported.
#[derive(Debug, Clone)]
struct Exported {
    name: String,
    kind: SpanKind,
    trace: String,
    id: String,
    parent: String,
    attributes: Vec<KeyValue>,
    service: Vec<KeyValue>,
}

fn attribute(among: &[KeyValue], key: &str) -> String {
    let value = among.iter().find(|one| one.key == key).and_then(|one| one.value.clone()?.value);
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{key} is {other:?} in {among:#?}"),
    }
}

/// An OTLP collector that keeps what comes.
struct Collector {
    url: String,
    spans: watch::Sender<Vec<Exported>>,
    /// All bytes that came.
    raw: Mutex<Vec<u8>>,
    /// The answer; `None`: never answer.
    answer: Option<StatusCode>,
}

impl Collector {
    async fn start(answer: Option<StatusCode>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector =
            Arc::new(Self { url, spans: watch::Sender::default(), raw: Mutex::default(), answer });
        let router =
            Router::new().route("/v1/traces", axum::routing::post(take)).with_state(Arc::clone(&collector));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        collector
    }

    fn configure(&self, settings: &mut Settings) {
        settings.webhook_allow_http = true;
        settings.webhook_allow_private = true;
        settings.otlp_endpoint = Some(self.url.parse().unwrap());
    }

    /// Waits until these spans have come. Returns them in this order.
    async fn named<const N: usize>(&self, names: [&str; N]) -> [Exported; N] {
        let mut watch = self.spans.subscribe();
        let are_all =
            |spans: &Vec<Exported>| names.iter().all(|name| spans.iter().any(|one| one.name == *name));
        let waited = tokio::time::timeout(PATIENCE, watch.wait_for(are_all)).await.is_ok();
        let spans = self.spans.borrow().clone();
        assert!(waited, "{names:?} did not come: {spans:#?}");
        names.map(|name| spans.iter().find(|one| one.name == name).unwrap().clone())
    }
}

async fn take(State(collector): State<Arc<Collector>>, bytes: Bytes) -> StatusCode {
    collector.raw.lock().unwrap().extend_from_slice(&bytes);
    let request = ExportTraceServiceRequest::decode(bytes).unwrap();
    let hex = |id: &[u8]| hex::encode(id);
    let mut came = Vec::new();
    for resource in request.resource_spans {
        let service = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            came.push(Exported {
                kind: span.kind(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                attributes: span.attributes,
                service: service.clone(),
            });
        }
    }
    collector.spans.send_modify(|spans| spans.append(&mut came));
    match collector.answer {
        Some(status) => status,
        None => std::future::pending().await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_over_wechat_to_the_webhook_also_over_a_restart() {
    let collector = Collector::start(Some(StatusCode::OK)).await;
    let receiver = Receiver::start().await;
    let world = World::start_with(|settings| collector.configure(settings)).await;
    world.hook(&receiver, &["message.sent"]).await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let mut message = world.subscribe(&user, "Latte");
    let at = world.clock.now().plus(Duration::from_secs(3_600));
    message["send_at"] = json!(at.to_string());
    let headers = [("traceparent", CALLER), ("x-request-id", "order-7")];
    let accepted = world.call(Method::POST, "/v1/messages", &headers, message.to_string()).await.expect(202);
    let id = accepted["id"].as_str().unwrap().to_owned();

    let world = world.restart().await;
    world.advance(Duration::from_secs(3_601));
    assert_eq!(world.settled(&id).await["state"], "sent");
    assert_eq!(world.message(&id).await["trace_id"], TRACE);
    let event = receiver.first("message.sent").await;

    let [request, stored, attempt, delivery] = collector
        .named([
            "POST /v1/messages",
            "message",
            "POST /cgi-bin/message/subscribe/send",
            "webhook message.sent",
        ])
        .await;
    for span in [&request, &stored, &attempt, &delivery] {
        assert_eq!(span.trace, TRACE, "{span:#?}");
        assert_eq!(attribute(&span.service, "service.name"), "hongyan");
        assert_eq!(attribute(&span.service, "service.instance.id"), "node-1");
    }
    assert_eq!((request.kind, request.parent.as_str()), (SpanKind::Server, SPAN));
    assert_eq!((stored.kind, &stored.parent), (SpanKind::Producer, &request.id));
    assert_eq!((attempt.kind, &attempt.parent), (SpanKind::Client, &stored.id));
    assert_eq!((delivery.kind, &delivery.parent), (SpanKind::Client, &stored.id));
    assert_eq!(attribute(&request.attributes, "http.route"), "/v1/messages");
    assert_eq!(attribute(&request.attributes, "http.response.status_code"), "202");
    assert_eq!(attribute(&request.attributes, "hongyan.request.id"), "order-7");
    assert_eq!(attribute(&stored.attributes, "hongyan.message.id"), id);
    assert_eq!(attribute(&attempt.attributes, "hongyan.errcode"), "0");
    assert_eq!(attribute(&delivery.attributes, "http.response.status_code"), "200");
    assert_eq!(event.headers["traceparent"], format!("00-{TRACE}-{}-01", delivery.id));
    assert_eq!(event.headers["x-request-id"], "order-7");
    assert_eq!(event.body["data"]["request_id"], "order-7");

    let raw = collector.raw.lock().unwrap().clone();
    for secret in [&user, &world.key, &world.gateway_secret, &world.wechat.seed.app_secret] {
        assert!(!raw.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} was exported");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_decision_counts_before_the_share_and_an_untraced_message_leaves_nothing() {
    let collector = Collector::start(Some(StatusCode::OK)).await;
    let receiver = Receiver::start().await;
    let world = World::start_with(|settings| {
        collector.configure(settings);
        settings.otlp_sample = Some(0.0);
    })
    .await;
    world.hook(&receiver, &["message.sent"]).await;
    let user = world.wechat.user().await;
    world.message_to(&user, "untraced").await;
    world.grant_subscription(&user).await;
    let message = world.subscribe(&user, "traced").to_string();
    world.call(Method::POST, "/v1/messages?wait=15", &[("traceparent", CALLER)], message).await.expect(202);
    let events = receiver.count(2).await;
    collector.named(["webhook message.sent"]).await;
    let traced: Vec<_> = events.iter().map(|event| event.headers.contains_key("traceparent")).collect();
    assert_eq!(traced, [false, true]);
    let spans = collector.spans.borrow().clone();
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_holds_up_no_message_and_no_stop() {
    let collector = Collector::start(None).await;
    let receiver = Receiver::start().await;
    let world = World::start_with(|settings| collector.configure(settings)).await;
    world.hook(&receiver, &["message.sent"]).await;
    let user = world.wechat.user().await;
    for _ in 0..3 {
        world.message_to(&user, "Latte").await;
    }
    receiver.count(3).await;
    let began = Instant::now();
    world.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_does_not_take_is_counted() {
    let collector = Collector::start(Some(StatusCode::SERVICE_UNAVAILABLE)).await;
    let world = World::start_with(|settings| collector.configure(settings)).await;
    let user = world.wechat.user().await;
    world.message_to(&user, "Latte").await;
    let counted = async || {
        let metrics = world.get("/metrics").await.text;
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("hongyan_limits_total{limit=\"traces\"} "));
        json!(line.and_then(|count| count.parse::<u64>().ok()))
    };
    eventually(counted, |count| count.as_u64().is_some_and(|count| count > 0)).await;
}
