//! One request on a connection, up to the head of its answer: on a kept one if there is one to be trusted, otherwise on a
//! new one.
//!
//! Everything that is asked of WeChat comes through here, so that there is one place that decides whether a request that
//! met a dying connection was asked.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, Uri};
use hyper::Response;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until, timeout};

use super::body::{Progress, RequestBody, Upload};
use super::config::ClientConfig;
use super::connect::{Connection, Connector};
use super::error::{ClientError, Failure, with_causes};
use super::habit::Habit;
use super::pool::Pool;
use super::target::Target;

/// Whether a request that was written on a kept connection may be asked again on a new one, if the kept one died without
/// a byte of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nobody knows whether it was carried out, and that would matter.
    Never,
    /// It only reads, or doing it twice is the same as doing it once (RFC 9110, section 9.2.2).
    IfHungUp,
}

/// The way to WeChat, which all handles of a client share: where it is, how it is reached, and the connections to it.
pub(super) struct Transport {
    pub(super) target: Target,
    connector: Connector,
    pub(super) pool: Pool,
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
    pub(super) connection: Connection,
    pub(super) progress: Arc<Progress>,
}

/// Why one connection gave no answer.
enum Lost {
    /// Nothing of the request was written.
    NotWritten(String),
    /// It was written, and the other end hung up without a byte of an answer.
    HungUp(String),
    /// It was written, and there is no answer.
    Unanswered(String),
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
        // A body that goes by once goes on a new connection, for it could not go again.
        if let Upload::Whole(body) = &request.body
            && let Some(kept) = self.pool.take()
        {
            let body = RequestBody::whole(body.clone());
            match self.attempt(kept, request.on(body), Progress::begin()).await {
                Ok(answering) => return Ok(answering),
                // The other end had hung up while the connection was idle. Happens to the best.
                Err(Lost::NotWritten(_)) => {}
                Err(Lost::HungUp(_)) if request.repeat == Repeat::IfHungUp => {}
                Err(Lost::HungUp(why) | Lost::Unanswered(why)) => return Err(Failure::Unanswered(why)),
            }
        }
        let fresh = self.connect().await?;
        let Outgoing { method, uri, headers, body, .. } = request;
        let progress = Progress::begin();
        let mut request = Request::new(body.into_body(&progress));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.attempt(fresh, request, progress).await.map_err(|lost| match lost {
            Lost::NotWritten(why) => Failure::NotSent(why),
            Lost::HungUp(why) | Lost::Unanswered(why) => Failure::Unanswered(why),
        })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let Self { target, connector, connect_timeout, .. } = self;
        let refused = |why: String| Failure::NotSent(format!("cannot connect to {}: {why}", target.origin));
        match timeout(*connect_timeout, connector.connect(target)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(why)) => Err(refused(why)),
            Err(_) => Err(refused(format!("not within {connect_timeout:?}"))),
        }
    }

    /// Sends on one connection and waits for the head of the answer. The answer timeout bounds how long nothing may
    /// move, not how long a body on its way may take.
    async fn attempt(
        &self,
        mut connection: Connection,
        request: Request<RequestBody>,
        progress: Arc<Progress>,
    ) -> Result<Answering, Lost> {
        self.ready(&mut connection).await.map_err(Lost::NotWritten)?;
        let rested = connection.rested.take();
        connection.wire.begin(rested.is_some());
        let patience = self.answer_timeout;
        // From here, for the body may have waited for the connection.
        let begin = Instant::now();
        let mut answering = std::pin::pin!(connection.sender.try_send_request(request));
        loop {
            let until = progress.last().max(begin) + patience;
            tokio::select! {
                biased;
                answered = &mut answering => return match answered {
                    Ok(response) => Ok(Answering { response, connection, progress }),
                    Err(refused) => Err(self.lost(&connection, rested, &with_causes(refused.error()))),
                },
                () = sleep_until(until) => {
                    if progress.last().max(begin) + patience <= Instant::now() {
                        let why = if progress.has_ended() { "no answer" } else { "the body did not move" };
                        return Err(Lost::Unanswered(format!("{why} within {patience:?}")));
                    }
                }
            }
        }
    }

    /// Waits until a connection takes a request; why it does not.
    async fn ready(&self, connection: &mut Connection) -> Result<(), String> {
        // A connection's task may not yet have had its turn to see that the last exchange is over, or that the
        // connection is closed. Usually a turn is all that it takes; an end that answered before it read the
        // whole last request could keep it from ever getting there.
        if connection.sender.is_ready() {
            return Ok(());
        }
        match timeout(self.connect_timeout, connection.sender.ready()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(_) => Err("the connection is still busy".to_owned()),
        }
    }

    /// What it means that a connection took a request and gave an error back. `rested`: it was kept, and idle for so long.
    fn lost(&self, connection: &Connection, rested: Option<Duration>, why: &str) -> Lost {
        if let Some(rested) = rested {
            self.pool.habit().hung_up_after(rested);
        }
        if !connection.wire.has_written() {
            return Lost::NotWritten(why.to_owned());
        }
        match rested {
            Some(_) => Lost::HungUp(why.to_owned()),
            None => Lost::Unanswered(why.to_owned()),
        }
    }
}

impl Outgoing {
    /// The request with this body; the rest of it stays.
    fn on(&self, body: RequestBody) -> Request<RequestBody> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}
