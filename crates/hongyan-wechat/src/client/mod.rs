//! The client: asks WeChat, over few long-lived connections, and tells exactly what became of the question.
//!
//! WeChat's sends are not idempotent. What the caller must know after a failure is not "it failed" but whether
//! anything was written: [`Failure::NotSent`] may be repeated without a thought, [`Failure::Unanswered`] may not.
//! So the client repeats a request by itself in one case only: a kept connection turned out to be closed, and
//! the HTTP library handed the request back whole because not a byte of it was written.
//!
//! It speaks HTTP/1.1 with `hyper`'s low level: one task per connection, none per request, no work per request
//! that could be done once.
//!
//! | file | has |
//! | --- | --- |
//! | `mod.rs` | [`Client`] and the raw [`exchange`](Client::exchange) |
//! | `calls.rs`, `library.rs` | WeChat's calls, one method each; those about the template libraries |
//! | `config.rs` | [`ClientConfig`] |
//! | `target.rs` | where requests go, and their first lines |
//! | `stream.rs` | [`stream`](Client::stream), an exchange of which nothing is held |
//! | `body.rs` | what a request's body can be |
//! | `connect.rs` | new connections: plain, TLS, through a proxy |
//! | `pool.rs` | the idle ones |
//! | `error.rs` | [`ClientError`], [`Failure`], [`CallError`] |

mod body;
mod calls;
mod config;
mod connect;
mod error;
mod library;
mod pool;
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
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::timeout;

pub use body::BoxError;
pub use config::ClientConfig;
pub use error::{CallError, ClientError, Failure};
pub use stream::{AnswerBody, StreamedAnswer};

use body::RequestBody;
use connect::{Connector, Sender};
use error::with_causes;
use pool::Pool;
use target::Target;

/// The largest answer that is read, in bytes. WeChat's largest, lists of templates, are some ten thousand.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Asks WeChat. Cloning gives another handle to the same connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    connector: Connector,
    pool: Pool,
    connect_timeout: Duration,
    answer_timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.inner.target.origin)
    }
}

/// An HTTP answer, whatever it says.
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
    /// Without the body, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answered({}, {} bytes)", self.status, self.body.len())
    }
}

/// What became of a request on one connection.
enum Attempt {
    /// It has an answer, or nobody knows.
    Done(Result<Answered, Failure>),
    /// Nothing was written: here it is again, and why.
    NotWritten(Box<Request<RequestBody>>, String),
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// When the base URL or the proxy's URL cannot be used.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a configuration is made for one client and handed over"
    )]
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let target = Target::new(&config)?;
        let connector = Connector::new(&target)?;
        let pool = Pool::new(config.idle_timeout, config.max_idle);
        let ClientConfig { connect_timeout, answer_timeout, .. } = config;
        Ok(Self { inner: Arc::new(Inner { target, connector, pool, connect_timeout, answer_timeout }) })
    }

    /// One request and its answer, whatever that is: the HTTP status and the body are the caller's to judge.
    ///
    /// `path_and_query` begins with a slash and is escaped already. The body is not copied.
    ///
    /// Dropping the future closes the connection that it used; the request may have been carried out.
    ///
    /// # Errors
    /// [`Failure::NotSent`]: no connection, or it broke before anything was written. [`Failure::Unanswered`]:
    /// it broke afterwards, the time was up, or the answer was longer than [`MAX_ANSWER_BYTES`].
    pub async fn exchange(
        &self,
        method: Method,
        path_and_query: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Answered, Failure> {
        let mut request = self.request(method, path_and_query, content_type, body)?;
        if let Some(kept) = self.inner.pool.take() {
            match self.attempt(kept, request).await {
                Attempt::Done(result) => return result,
                // The other end had hung up while the connection was idle. Happens to the best.
                Attempt::NotWritten(again, _) => request = *again,
            }
        }
        match self.attempt(self.connect().await?, request).await {
            Attempt::Done(result) => result,
            Attempt::NotWritten(_, why) => Err(Failure::NotSent(why)),
        }
    }

    fn request(
        &self,
        method: Method,
        path_and_query: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Request<RequestBody>, Failure> {
        let target = &self.inner.target;
        // The path may hold a token, so the message does not quote it.
        let uri =
            target.uri(path_and_query).ok_or_else(|| Failure::NotSent("the path is not one".to_owned()))?;
        let mut request = Request::new(RequestBody::Whole(Full::new(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(HOST, target.host.clone());
        if let Some(content_type) = content_type {
            let value = HeaderValue::from_str(content_type)
                .map_err(|_| Failure::NotSent("the content type is not one".to_owned()))?;
            headers.insert(CONTENT_TYPE, value);
        }
        if let Some(words) = target.proxy_authorization() {
            headers.insert(PROXY_AUTHORIZATION, words.clone());
        }
        Ok(request)
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let Inner { target, connector, connect_timeout, .. } = &*self.inner;
        let refused = |why: String| Failure::NotSent(format!("cannot connect to {}: {why}", target.origin));
        match timeout(*connect_timeout, connector.connect(target)).await {
            Ok(Ok(sender)) => Ok(sender),
            Ok(Err(why)) => Err(refused(why)),
            Err(_) => Err(refused(format!("not within {connect_timeout:?}"))),
        }
    }

    /// Waits until a connection takes a request; why it does not.
    async fn ready(&self, sender: &mut Sender) -> Result<(), String> {
        // A connection's task may not yet have had its turn to see that the last exchange is over, or that the
        // connection is closed. Usually a turn is all that it takes; an end that answered before it read the
        // whole last request could keep it from ever getting there.
        if sender.is_ready() {
            return Ok(());
        }
        match timeout(self.inner.connect_timeout, sender.ready()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(_) => Err("the connection is still busy".to_owned()),
        }
    }

    /// Sends on one connection and reads the answer; keeps the connection if it can be used again.
    async fn attempt(&self, mut sender: Sender, request: Request<RequestBody>) -> Attempt {
        if let Err(why) = self.ready(&mut sender).await {
            return Attempt::NotWritten(Box::new(request), why);
        }
        let Ok(attempt) = timeout(self.inner.answer_timeout, send_and_read(&mut sender, request)).await
        else {
            // The handle is dropped here and the connection with it: a late answer must not meet another request.
            let why = format!("no answer within {:?}", self.inner.answer_timeout);
            return Attempt::Done(Err(Failure::Unanswered(why)));
        };
        if let Attempt::Done(Ok(_)) = attempt {
            self.inner.pool.put(sender);
        }
        attempt
    }
}

async fn send_and_read(sender: &mut Sender, request: Request<RequestBody>) -> Attempt {
    let response = match sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut refused) => {
            let request = refused.take_message();
            let why = with_causes(refused.error());
            return match request {
                Some(request) => Attempt::NotWritten(Box::new(request), why),
                None => Attempt::Done(Err(Failure::Unanswered(why))),
            };
        }
    };
    let (head, body) = response.into_parts();
    match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(body) => Attempt::Done(Ok(Answered {
            status: head.status,
            body: body.to_bytes(),
            content_type: head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(ToOwned::to_owned),
        })),
        Err(error) => Attempt::Done(Err(Failure::Unanswered(with_causes(&*error)))),
    }
}
