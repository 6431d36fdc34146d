//! One request to a webhook, and what came back.
//!
//! It goes straight to the webhook: neither `wechat_proxy` nor the environment's proxies are used, for behind a proxy
//! nobody could tell where a request ends. Redirects are not followed.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::address::{AddressRules, Resolver};

/// How long a webhook may take, from looking its name up to the last byte of its answer. Source: the specification asks
/// for 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long connecting may take of that.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection is kept for the next event.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// So much of an answer is read; of more, the connection is closed.
const MAX_ANSWER_BYTES: usize = 16 * 1_024;

/// So much of it is kept, for people.
const MAX_TEXT_CHARS: usize = 200;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up for webhooks: {0}")]
pub struct ClientError(String);

/// Asks webhooks. Clones share the connections.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    rules: AddressRules,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status; `None`: there was no answer.
    pub(super) status: Option<u16>,
    /// The answer's first words if it was no success; or why there was none.
    pub(super) text: String,
}

impl Answer {
    fn none(why: impl Into<String>) -> Self {
        Self { status: None, text: why.into() }
    }
}

/// A request, complete.
pub(super) struct Post {
    pub(super) url: String,
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) body: Bytes,
}

impl Client {
    /// A client that has not connected yet, with the same certificate roots as the one to WeChat.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(rules: AddressRules) -> Result<Self, ClientError> {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(rules));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let provider = rustls::crypto::ring::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError(error.to_string()))?
            .with_webpki_roots()
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(https);
        Ok(Self { http, rules })
    }

    /// The rules for addresses.
    pub const fn rules(&self) -> AddressRules {
        self.rules
    }

    /// Posts, and waits for the answer.
    pub(super) async fn post(&self, post: Post) -> Answer {
        let until = Instant::now() + TIMEOUT;
        // Not only when it was set up: the rules may have become stricter since.
        let url = match self.rules.check(&post.url) {
            Ok(url) => url,
            Err(why) => return Answer::none(format!("the URL {why}")),
        };
        let request = match request(url.as_str(), &post) {
            Ok(request) => request,
            Err(why) => return Answer::none(format!("the request cannot be made: {why}")),
        };
        let response = match timeout_at(until, self.http.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Answer::none(shortened(&with_causes(&error))),
            Err(_) => return Answer::none(format!("no answer within {} s", TIMEOUT.as_secs())),
        };
        let (head, body) = response.into_parts();
        // The status is the answer; what else it says matters only to people.
        let text = timeout_at(until, read(body)).await.unwrap_or_default();
        let text = if head.status.is_success() { String::new() } else { shortened(&text) };
        Answer { status: Some(head.status.as_u16()), text }
    }
}

fn request(url: &str, post: &Post) -> Result<Request<Full<Bytes>>, http::Error> {
    Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, HeaderValue::from_static(concat!("hongyan/", env!("CARGO_PKG_VERSION"))))
        .header("webhook-id", &post.id)
        .header("webhook-timestamp", post.timestamp)
        .header("webhook-signature", &post.signature)
        .body(Full::new(post.body.clone()))
}

/// Reads to the end, so that the connection can be kept, or as far as is sensible.
async fn read(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    bytes.truncate(MAX_ANSWER_BYTES);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// For a column and for people: short, and on one line.
fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().chars().take(MAX_TEXT_CHARS).collect()
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_answer_is_short_and_on_one_line() {
        assert_eq!(shortened("  no\nsuch\tthing \u{0}"), "no such thing");
        assert_eq!(shortened(&"鸿".repeat(500)).chars().count(), MAX_TEXT_CHARS);
    }
}
