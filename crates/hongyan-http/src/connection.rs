//! One request on one connection, up to the head of its answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::causes::with_causes;
use crate::wire::Wire;

/// Any error, in the form of HTTP bodies.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The handle to one connection. Dropping the handle closes the connection.
pub struct Connection<B> {
    sender: SendRequest<B>,
    pub(crate) wire: Arc<Wire>,
    /// How long the connection was idle, if it was kept; `None` for a new connection.
    rested: Option<Duration>,
    driven: Driven,
}

/// Who polls the connection's work.
enum Driven {
    ByTask,
    /// The future that waits for something on the connection.
    ByAsker(Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>),
    /// The same, after the work has ended.
    Ended,
}

/// The time limits of an answer.
pub trait Patience {
    /// The current deadline of a request that was handed to a ready connection at `began`; a moving body may move the
    /// deadline.
    fn until(&self, began: Instant) -> Instant;
    /// The current deadline for a connection to become ready for a request.
    fn ready_until(&self) -> Instant;
    /// Says in words that [`until`](Self::until) has passed.
    fn is_over(&self) -> String;
}

/// Why there is no answer.
pub enum Lost<B> {
    /// Nothing of the request was written: the server cannot have seen the request, and a repeat is safe.
    NotWritten {
        /// The request, if its body was not read.
        request: Option<Box<Request<B>>>,
        /// Why nothing was written.
        why: String,
    },
    /// The request was written on a kept connection, and the server closed the connection without a byte of an answer.
    /// The close may have crossed the request on its way.
    HungUp(String),
    /// The request was written, at least in part, and may have been carried out.
    Unanswered(String),
}

impl<B> Connection<B> {
    pub(crate) fn new(sender: SendRequest<B>, wire: Arc<Wire>) -> Self {
        Self { sender, wire, rested: None, driven: Driven::ByTask }
    }

    /// The same connection without a task: the future that waits for something on the connection drives it. While nobody
    /// waits, nothing notices that the server has closed the connection.
    #[must_use]
    pub fn driven(self, work: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        Self { driven: Driven::ByAsker(Box::pin(work)), ..self }
    }

    /// The same connection, marked as kept and idle for this time.
    #[must_use]
    pub fn rested(self, rested: Duration) -> Self {
        Self { rested: Some(rested), ..self }
    }

    /// Whether the connection was open at the last check.
    pub fn is_open(&self) -> bool {
        !matches!(self.driven, Driven::Ended) && !self.sender.is_closed()
    }

    /// Waits for something on the connection, and drives the connection meanwhile if nothing else does.
    pub async fn drive<T>(&mut self, waited_for: impl Future<Output = T>) -> T {
        self.driven.until(waited_for).await
    }

    /// Waits until the connection is ready for a request; or says why it is not.
    async fn ready(&mut self, patience: &impl Patience) -> Result<(), String> {
        let Self { sender, driven, .. } = self;
        // A connection's task may not yet have noticed that the last exchange is over, or that the connection is closed.
        // Usually one turn of the task is enough; a server that answered before it read the whole last request could
        // prevent this forever, so the wait has a limit.
        if matches!(driven, Driven::ByTask) && sender.is_ready() {
            return Ok(());
        }
        match timeout_at(patience.ready_until(), driven.until(sender.ready())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(_) => Err("the connection is still busy".to_owned()),
        }
    }

    /// The meaning of an error after the connection accepted a request.
    fn lost(&self, rested: Option<Duration>, request: Option<Request<B>>, why: String) -> Lost<B> {
        if let Some(rested) = rested {
            self.wire.broke_after(rested);
        }
        if !self.wire.has_written() {
            return Lost::NotWritten { request: request.map(Box::new), why };
        }
        match rested {
            Some(_) => Lost::HungUp(why),
            None => Lost::Unanswered(why),
        }
    }
}

impl<B: Body + 'static> Connection<B> {
    /// Sends a request, and waits for the head of its answer.
    pub(crate) async fn ask(
        &mut self,
        request: Request<B>,
        patience: &impl Patience,
    ) -> Result<Response<Incoming>, Lost<B>> {
        if let Err(why) = self.ready(patience).await {
            return Err(Lost::NotWritten { request: Some(Box::new(request)), why });
        }
        let rested = self.rested.take();
        self.wire.begin(rested.is_some());
        let Self { sender, driven, .. } = self;
        // The time starts here, because the body may have waited for the connection.
        let began = Instant::now();
        let answered = {
            let mut answering = pin!(driven.until(sender.try_send_request(request)));
            loop {
                tokio::select! {
                    biased;
                    answered = &mut answering => break answered,
                    () = sleep_until(patience.until(began)) => {
                        if patience.until(began) <= Instant::now() {
                            return Err(Lost::Unanswered(patience.is_over()));
                        }
                    }
                }
            }
        };
        answered.map_err(|mut refused| {
            let why = with_causes(refused.error());
            self.lost(rested, refused.take_message(), why)
        })
    }
}

impl Driven {
    async fn until<T>(&mut self, waited_for: impl Future<Output = T>) -> T {
        let mut waited_for = pin!(waited_for);
        poll_fn(|context| {
            self.go_on(context);
            waited_for.as_mut().poll(context)
        })
        .await
    }

    fn go_on(&mut self, context: &mut Context<'_>) {
        if let Self::ByAsker(work) = self
            && work.as_mut().poll(context).is_ready()
        {
            // The request's own future reports how it ended.
            *self = Self::Ended;
        }
    }
}

impl<B> Lost<B> {
    /// The error in words.
    pub fn into_words(self) -> String {
        match self {
            Self::NotWritten { why, .. } | Self::HungUp(why) | Self::Unanswered(why) => why,
        }
    }
}
