//! One request to WeChat, up to the head of its answer: the request's contents and time limits. [`hongyan_http`] decides
//! on which connection the request is sent, and when it is sent a second time.
//!
//! Every request to WeChat goes through this file.

use std::sync::Arc;
use std::time::Duration;

use hongyan_http::{Connection, Habit, Lost, Pool, converse};
use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

pub use hongyan_http::Repeat;

use super::body::{Progress, RequestBody, Upload};
use super::config::ClientConfig;
use super::connect::Connector;
use super::error::{ClientError, Failure};
use super::target::Target;

/// What all handles of a client share: the target, the connector and the connections.
pub(super) struct Transport {
    pub(super) target: Target,
    connector: Connector,
    pub(super) pool: Pool<RequestBody>,
    connect_timeout: Duration,
    pub(super) answer_timeout: Duration,
}

/// A request before its connection is chosen.
pub(super) struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Upload,
    repeat: Repeat,
}

/// An answer whose body has not arrived yet.
pub(super) struct Answering {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Connection<RequestBody>,
    pub(super) patience: Patience,
}

/// How long nothing may move.
pub(super) struct Patience {
    answer: Duration,
    ready: Duration,
    /// The progress of the request's body, if the body is a stream.
    progress: Option<Arc<Progress>>,
}

impl Transport {
    /// A client without connections; makes no connection yet.
    pub(super) fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let target = Target::new(config)?;
        let habit = Arc::new(Habit::new(config.proof));
        let connector = Connector::new(&target, &habit)?;
        let pool = Pool::new(habit, config.idle_timeout, config.max_idle);
        let ClientConfig { connect_timeout, answer_timeout, .. } = *config;
        Ok(Self { target, connector, pool, connect_timeout, answer_timeout })
    }

    /// `headers` are sent unchanged, except `Host` and `Content-Length`: the length is the body's own, if it is known.
    pub(super) fn outgoing(
        &self,
        method: Method,
        path_and_query: &str,
        mut headers: HeaderMap,
        body: Upload,
        repeat: Repeat,
    ) -> Result<Outgoing, Failure> {
        let target = &self.target;
        // The path may contain a token, so the message does not quote the path.
        let uri = target
            .uri(path_and_query)
            .ok_or_else(|| Failure::NotSent("the path is not a valid URL path".to_owned()))?;
        headers.remove(CONTENT_LENGTH);
        if let Upload::Whole(body) = &body
            && !body.is_empty()
        {
            headers.insert(CONTENT_LENGTH, body.len().into());
        }
        headers.insert(HOST, target.host.clone());
        if let Some(words) = target.proxy_authorization() {
            headers.insert(PROXY_AUTHORIZATION, words.clone());
        }
        Ok(Outgoing { method, uri, headers, body, repeat })
    }

    /// Sends the request. Sends it a second time only if nothing was written, or if the request may be repeated.
    pub(super) async fn converse(&self, request: Outgoing) -> Result<Answering, Failure> {
        let repeat = request.repeat;
        // A stream cannot be sent again, so it goes on a new connection.
        let kept = if let Upload::Whole(_) = request.body { self.pool.take() } else { None };
        let (first, spare, progress) = match kept.as_ref().and_then(|_| request.copy()) {
            Some(copy) => (copy, Some(request), None),
            None => {
                let (request, progress) = request.into_request();
                (request, None, progress)
            }
        };
        let spare = || spare.map(|request| request.into_request().0);
        let patience = Patience { answer: self.answer_timeout, ready: self.connect_timeout, progress };
        match converse(kept, first, spare, repeat, || self.connect(), &patience).await {
            Ok(hongyan_http::Answering { response, connection }) => {
                Ok(Answering { response, connection, patience })
            }
            Err(Lost::NotWritten { why, .. }) => Err(Failure::NotSent(why)),
            Err(Lost::HungUp(why) | Lost::Unanswered(why)) => Err(Failure::Unanswered(why)),
        }
    }

    async fn connect(&self) -> Result<Connection<RequestBody>, String> {
        let Self { target, connector, connect_timeout, .. } = self;
        let refused = |why: String| format!("cannot connect to {}: {why}", target.origin);
        match timeout(*connect_timeout, connector.connect(target)).await {
            Ok(connected) => connected.map_err(refused),
            Err(_) => Err(refused(format!("not within {connect_timeout:?}"))),
        }
    }
}

impl Outgoing {
    /// The same request again, if its body is not a stream.
    fn copy(&self) -> Option<Request<RequestBody>> {
        let Upload::Whole(body) = &self.body else { return None };
        let mut request = Request::new(RequestBody::whole(body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        Some(request)
    }

    /// The request, and the progress of its body if the body is a stream.
    fn into_request(self) -> (Request<RequestBody>, Option<Arc<Progress>>) {
        let (body, progress) = self.body.into_body();
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        (request, progress)
    }
}

impl Patience {
    /// Whether the whole request body was taken.
    pub(super) fn body_has_ended(&self) -> bool {
        self.progress.as_ref().is_none_or(|progress| progress.has_ended())
    }
}

/// The answer timeout limits how long nothing may move, not how long a stream may take.
impl hongyan_http::Patience for Patience {
    fn until(&self, began: Instant) -> Instant {
        let moved = self.progress.as_ref().map_or(began, |progress| progress.last().max(began));
        moved + self.answer
    }

    fn ready_until(&self) -> Instant {
        Instant::now() + self.ready
    }

    fn is_over(&self) -> String {
        let why = if self.body_has_ended() { "no answer" } else { "the body did not move" };
        format!("{why} within {:?}", self.answer)
    }
}
