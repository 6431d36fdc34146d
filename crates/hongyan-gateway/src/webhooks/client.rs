//! The HTTP client of webhooks: one request, and its answer.
//!
//! Requests go directly to the webhook. Neither `wechat_proxy` nor the proxies of the environment are used, because the
//! gateway could not check which address a proxy connects to. Redirects are not followed.
//!
//! A connection is driven by the request that uses it, without a task of its own, and the worker keeps it. A pool for any
//! number of hosts would cost more per event than the request itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hongyan_http::{Answering, Lost, Patience, Repeat, Watching, connect, converse, tls};
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::{Instant, timeout_at};
use url::Position;

use super::address::{AddressRules, Resolver};
use crate::request_id;
use crate::traces::header::TRACEPARENT;

/// The time limit of a request, from resolving the name to the last byte of the answer. Source: the specification asks for
/// 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The part of the time limit that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection is kept for the next event.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// At most this much of an answer is read. A longer answer closes the connection.
const MAX_ANSWER_BYTES: usize = 16 * 1_024;

/// How much of an answer is stored for people to read.
const MAX_TEXT_CHARS: usize = 200;

/// Why the client cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up for webhooks: {0}")]
pub struct ClientError(String);

/// Sends requests to webhooks. Clones share the client.
#[derive(Clone)]
pub struct Client {
    connector: HttpsConnector<Watching<HttpConnector<Resolver>>>,
    rules: AddressRules,
}

/// The address of a webhook: the parts that all requests to it share.
pub(super) struct Place {
    /// Scheme, host and port.
    origin: Uri,
    path_and_query: Uri,
    host: HeaderValue,
}

impl Place {
    /// The host, without its port.
    pub(super) fn host(&self) -> &str {
        self.origin.host().unwrap_or_default()
    }
}

/// The answer of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status; `None`: there was no answer.
    pub(super) status: Option<u16>,
    /// The beginning of an answer that is not a success, or why there is no answer.
    pub(super) text: String,
}

impl Answer {
    pub(super) fn none(why: impl Into<String>) -> Self {
        Self { status: None, text: why.into() }
    }
}

/// The request for an event.
pub(super) struct Post {
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) request_id: Option<String>,
    pub(super) traceparent: Option<Arc<str>>,
    pub(super) body: Bytes,
}

type PostRequest = Request<Full<Bytes>>;

impl Client {
    /// A client without connections, with the same root certificates as the client to WeChat.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(rules: AddressRules) -> Result<Self, ClientError> {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(rules));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls().map_err(|error| ClientError(error.to_string()))?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Watching::counting(tcp));
        Ok(Self { connector, rules })
    }

    /// The rules for addresses.
    pub const fn rules(&self) -> AddressRules {
        self.rules
    }

    /// The place of a webhook with this URL. The URL was checked when the webhook was set up, but the rules may have become
    /// stricter since.
    ///
    /// # Errors
    /// Why nothing is sent to the URL.
    pub(super) fn place(&self, url: &str) -> Result<Place, String> {
        let url = self.rules.check(url).map_err(|why| format!("the URL {why}"))?;
        let cannot = |_| "the URL cannot be used in an HTTP request".to_owned();
        let host = &url[Position::BeforeHost..Position::AfterPort];
        Ok(Place {
            origin: format!("{}://{host}", url.scheme()).parse().map_err(cannot)?,
            path_and_query: url[Position::BeforePath..Position::AfterQuery].parse().map_err(cannot)?,
            host: HeaderValue::from_str(host).map_err(|_| "the URL's host is not a valid host".to_owned())?,
        })
    }

    /// Posts on this connection if it still works, otherwise on a new connection, and waits for the answer. Returns the
    /// connection if it can be used again.
    pub(super) async fn post(
        &self,
        place: &Place,
        kept: Option<Connection>,
        post: Post,
    ) -> (Answer, Option<Connection>) {
        match self.ask(place, kept, post, Until(Instant::now() + TIMEOUT)).await {
            Ok((answer, connection)) => (answer, connection.kept()),
            Err(why) => (Answer::none(shortened(&why)), None),
        }
    }

    async fn ask(
        &self,
        place: &Place,
        kept: Option<Connection>,
        post: Post,
        until: Until,
    ) -> Result<(Answer, Connection), String> {
        let request = request(place, post).map_err(|why| format!("the request cannot be made: {why}"))?;
        let kept = kept.map(|kept| kept.http.rested(kept.used.elapsed()));
        let connect = || async {
            let connecting = Box::pin(self.connect(place));
            timeout_at(until.0, connecting).await.unwrap_or_else(|_| Err(until.is_over()))
        };
        let Answering { response, connection: mut http } =
            converse(kept, request, || None, Repeat::Never, connect, &until)
                .await
                .map_err(Lost::into_words)?;
        let (head, body) = response.into_parts();
        // The status decides, even if reading the rest fails. The text of an answer is only for people.
        let is_success = head.status.is_success();
        let text = timeout_at(until.0, http.drive(read(body, is_success))).await.unwrap_or_default();
        let answer = Answer { status: Some(head.status.as_u16()), text: shortened(&text) };
        Ok((answer, Connection { origin: place.origin.clone(), http, used: Instant::now() }))
    }

    async fn connect(&self, place: &Place) -> Result<hongyan_http::Connection<Full<Bytes>>, String> {
        let (connection, work) = connect(self.connector.clone(), place.origin.clone()).await?;
        Ok(connection.driven(work))
    }
}

fn request(place: &Place, post: Post) -> Result<PostRequest, http::Error> {
    const ID: HeaderName = HeaderName::from_static("webhook-id");
    const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
    const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
    const AGENT: HeaderValue = HeaderValue::from_static(concat!("hongyan/", env!("CARGO_PKG_VERSION")));
    let mut request = Request::new(Full::new(post.body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = place.path_and_query.clone();
    let headers = request.headers_mut();
    headers.insert(HOST, place.host.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ID, post.id.try_into()?);
    headers.insert(TIMESTAMP, post.timestamp.into());
    headers.insert(SIGNATURE, post.signature.try_into()?);
    if let Some(id) = post.request_id {
        headers.insert(request_id::NAME, id.try_into()?);
    }
    if let Some(trace) = post.traceparent {
        headers.insert(TRACEPARENT, HeaderValue::from_str(&trace)?);
    }
    Ok(request)
}

/// A connection, idle or in use. Nothing watches an idle connection: the next use finds out whether the other end has closed
/// it.
pub(super) struct Connection {
    /// Where the connection goes.
    origin: Uri,
    http: hongyan_http::Connection<Full<Bytes>>,
    /// When the last answer came.
    used: Instant,
}

impl Connection {
    /// Whether this is a connection to this place.
    pub(super) fn goes_to(&self, place: &Place) -> bool {
        self.origin == place.origin
    }

    /// When to close the connection if it is not used before.
    pub(super) fn old_at(&self) -> Instant {
        self.used + IDLE_TIMEOUT
    }

    fn kept(self) -> Option<Self> {
        self.http.is_open().then_some(self)
    }
}

/// The deadline of everything: connecting, the request and its answer.
#[derive(Clone, Copy)]
struct Until(Instant);

impl Patience for Until {
    fn until(&self, _: Instant) -> Instant {
        self.0
    }

    fn ready_until(&self) -> Instant {
        self.0
    }

    fn is_over(&self) -> String {
        format!("no answer within {} s", TIMEOUT.as_secs())
    }
}

/// Reads the body to its end so that the connection can be kept, up to a limit. The text of a success is not stored.
async fn read(mut body: Incoming, is_success: bool) -> String {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(Ok(frame)) = body.frame().await
        && length <= MAX_ANSWER_BYTES
    {
        if let Ok(data) = frame.into_data() {
            length += data.len();
            if !is_success {
                bytes.extend_from_slice(&data);
            }
        }
    }
    bytes.truncate(MAX_ANSWER_BYTES);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Makes a text short and puts it on one line, for a column and for people.
fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().chars().take(MAX_TEXT_CHARS).collect()
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
