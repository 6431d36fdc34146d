//! The client: calls WeChat over a few long-lived connections, and reports exactly what happened to each request.
//!
//! WeChat's sends are not idempotent. After a failure the caller must know whether anything was written:
//! [`Failure::NotSent`] may be repeated safely, [`Failure::Unanswered`] may not. So the client itself repeats a request
//! in two cases only, both on a kept connection that turned out to be closed: the stream counted no written byte, or the
//! caller says that the request may be sent twice.
//!
//! The client speaks HTTP/1.1 over [`hongyan_http`]: one task per connection, no task per request, and work that can be
//! done once is not repeated per request.
//!
//! | file | has |
//! | --- | --- |
//! | `mod.rs` | [`Client`] and the raw [`exchange`](Client::exchange) |
//! | `calls.rs`, `library.rs`, `quota.rs` | WeChat's calls, one method each; those about the template libraries and about quotas |
//! | `config.rs` | [`ClientConfig`] |
//! | `target.rs` | where requests go, and their first lines |
//! | `stream.rs` | [`stream`](Client::stream), an exchange that holds nothing in memory |
//! | `body.rs` | the kinds of request bodies |
//! | `converse.rs` | what all handles share; a request on a kept or a new connection, up to the head of its answer |
//! | `connect.rs` | new connections: plain, TLS, through a proxy |
//! | `wire.rs` | the stream below: what was written, and whether the other end is still there |
//! | `pool.rs`, `habit.rs` | the idle ones; how long the other end keeps them |
//! | `error.rs` | [`ClientError`], [`Failure`], [`CallError`] |

mod body;
mod calls;
mod config;
mod connect;
mod converse;
mod error;
#[cfg(test)]
mod kept_tests;
mod library;
mod quota;
mod stream;
#[cfg(test)]
mod stream_tests;
mod target;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hongyan_http::with_causes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout_at};

pub use body::{BoxError, Upload};
pub use config::ClientConfig;
pub use converse::Repeat;
pub use error::{CallError, ClientError, Failure};
pub use quota::Quota;
pub use stream::{AnswerBody, StreamedAnswer};

use converse::{Answering, Transport};

/// The largest answer that is read, in bytes. WeChat's largest answers, lists of templates, have about ten thousand
/// bytes.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Calls WeChat. A clone is another handle to the same connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Transport>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.inner.target.origin)
    }
}

/// Any HTTP answer.
#[derive(Clone)]
pub struct Answered {
    /// The HTTP status; WeChat's own is always 200.
    pub status: StatusCode,
    /// The whole body, at most [`MAX_ANSWER_BYTES`].
    pub body: Bytes,
    /// The `Content-Type`, if it is text.
    pub content_type: Option<String>,
}

impl fmt::Debug for Answered {
    /// Prints no body, because the body may contain a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answered({}, {} bytes)", self.status, self.body.len())
    }
}

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// When the base URL or the proxy's URL cannot be used.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a configuration is made for one client and handed over"
    )]
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        Ok(Self { inner: Arc::new(Transport::new(&config)?) })
    }

    /// Sends one request and returns any answer: the caller judges the HTTP status and the body.
    ///
    /// `path_and_query` begins with a slash and is escaped already. The body is not copied.
    ///
    /// Dropping the future closes its connection; the request may have been carried out.
    ///
    /// # Errors
    /// [`Failure::NotSent`]: there was no connection, or it broke before anything was written. [`Failure::Unanswered`]:
    /// the connection broke later, the time was up, or the answer was longer than [`MAX_ANSWER_BYTES`].
    pub async fn exchange(
        &self,
        method: Method,
        path_and_query: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Answered, Failure> {
        self.exchange_or_repeat(method, path_and_query, content_type, body, Repeat::Never).await
    }

    /// The same, for a request that may be sent twice.
    pub(super) async fn exchange_or_repeat(
        &self,
        method: Method,
        path_and_query: &str,
        content_type: Option<&str>,
        body: Bytes,
        repeat: Repeat,
    ) -> Result<Answered, Failure> {
        let mut headers = HeaderMap::with_capacity(4);
        if let Some(content_type) = content_type {
            let value = HeaderValue::from_str(content_type)
                .map_err(|_| Failure::NotSent("the content type is not a valid header value".to_owned()))?;
            headers.insert(CONTENT_TYPE, value);
        }
        let begin = Instant::now();
        let request = self.inner.outgoing(method, path_and_query, headers, Upload::Whole(body), repeat)?;
        let Answering { response, connection, .. } = self.inner.converse(request).await?;
        let (head, body) = response.into_parts();
        let reading = Limited::new(body, MAX_ANSWER_BYTES).collect();
        let patience = self.inner.answer_timeout;
        // After a failure the connection is dropped and closed: a late answer must not meet another request.
        let body = match timeout_at(begin + patience, reading).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Err(Failure::Unanswered(with_causes(&*error))),
            Err(_) => return Err(Failure::Unanswered(format!("no answer within {patience:?}"))),
        };
        self.inner.pool.put(connection);
        Ok(Answered {
            status: head.status,
            body,
            content_type: head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(ToOwned::to_owned),
        })
    }
}
