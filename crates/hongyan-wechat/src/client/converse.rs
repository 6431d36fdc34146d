//! One request to WeChat, up to the head of its answer: what it says, and how long it may take. When it goes out on which
//! connection, and when a second time, is decided by [`hongyan_http`].
//!
//! Everything that is asked of WeChat comes through here.

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

/// The way to WeChat, which all handles of a client share: where it is, how it is reached, and the connections to it.
pub(super) struct Transport {
    pub(super) target: Target,
    connector: Connector,
    pub(super) pool: Pool<RequestBody>,
    connect_timeout: Duration,
    pub(super) answer_timeout: Duration,
}

/// A request before it is known on which connection it goes out.
pub(super) struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Upload,
    repeat: Repeat,
}

/// An answer whose body is still to come.
pub(super) struct Answering {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Connection<RequestBody>,
    pub(super) patience: Patience,
}

/// How long nothing may move.
pub(super) struct Patience {
    answer: Duration,
    ready: Duration,
    /// How far the request's body has come, if it goes by while it is sent.
    progress: Option<Arc<Progress>>,
}

impl Transport {
    /// No connection is made yet.
    pub(super) fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let target = Target::new(config)?;
        let habit = Arc::new(Habit::new(config.proof));
        let connector = Connector::new(&target, &habit)?;
        let pool = Pool::new(habit, config.idle_timeout, config.max_idle);
        let ClientConfig { connect_timeout, answer_timeout, .. } = *config;
        Ok(Self { target, connector, pool, connect_timeout, answer_timeout })
    }

    /// `headers` are sent as they are, but for `Host` and `Content-Length`: the length is the body's own, if it knows it.
    pub(super) fn outgoing(
        &self,
        method: Method,
        path_and_query: &str,
        mut headers: HeaderMap,
        body: Upload,
        repeat: Repeat,
    ) -> Result<Outgoing, Failure> {
        let target = &self.target;
        // The path may hold a token, so the message does not quote it.
        let uri =
            target.uri(path_and_query).ok_or_else(|| Failure::NotSent("the path is not one".to_owned()))?;
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

    /// Asks, once as far as WeChat can tell: a second time only if nothing was written, or if the request may be
    /// repeated.
    pub(super) async fn converse(&self, request: Outgoing) -> Result<Answering, Failure> {
        let repeat = request.repeat;
        // A body that goes by once goes on a new connection, for it could not go again.
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
    /// The same request once more, if its body does not go by.
    fn copy(&self) -> Option<Request<RequestBody>> {
        let Upload::Whole(body) = &self.body else { return None };
        let mut request = Request::new(RequestBody::whole(body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        Some(request)
    }

    /// The request itself, and how far its body comes if it goes by while it is sent.
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
    /// Whether all of the request's body was taken to be written.
    pub(super) fn body_has_ended(&self) -> bool {
        self.progress.as_ref().is_none_or(|progress| progress.has_ended())
    }
}

/// The answer timeout bounds how long nothing may move, not how long a body on its way may take.
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
