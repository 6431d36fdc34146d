//! Bodies on their way through the door: a request's has a clock, an answer's end says that the connection is idle.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connections::{Connection, Phase};
use super::limits::{Limit, Limits};

/// For so long a body may stand still.
const SILENCE: Duration = Duration::from_secs(10);

/// For so long one may stand still that is passed on to WeChat as it comes.
const SILENCE_OF_UPLOAD: Duration = Duration::from_secs(30);

/// A request's body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request did not come in time")]
pub(crate) struct BodyTooSlow;

impl BodyTooSlow {
    /// Whether this is why something failed.
    pub(crate) fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// Says of a request that its body is passed on as it comes. Such a body must not stand still, but may take as long as it
/// needs.
#[derive(Clone)]
pub(crate) struct Upload(Arc<AtomicBool>);

impl Upload {
    /// From now on this request's body is one.
    pub(crate) fn begins(request: &Request) {
        if let Some(Self(is_upload)) = request.extensions().get() {
            is_upload.store(true, Ordering::Relaxed);
        }
    }
}

/// A request's body with a clock. The clock runs only while the body is awaited: what waits for WeChat is not the
/// sender's fault.
pub(super) struct RequestBody {
    body: Incoming,
    connection: Arc<Connection>,
    limits: Limits,
    is_upload: Arc<AtomicBool>,
    whole: Duration,
    /// When it was first awaited.
    began: Option<Instant>,
    /// Runs while the next piece is awaited. Nothing for a body that is there already.
    clock: Option<Pin<Box<Sleep>>>,
    is_awaited: bool,
}

impl RequestBody {
    /// With this much time for all of it; also what makes an upload of it.
    pub(super) fn new(
        body: Incoming,
        connection: Arc<Connection>,
        limits: Limits,
        whole: Duration,
    ) -> (Self, Upload) {
        connection.body_begins();
        let is_upload = Arc::new(AtomicBool::new(false));
        let upload = Upload(Arc::clone(&is_upload));
        let (began, clock, is_awaited) = (None, None, false);
        (Self { body, connection, limits, is_upload, whole, began, clock, is_awaited }, upload)
    }

    fn deadline(&mut self) -> Instant {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        if self.is_upload.load(Ordering::Relaxed) {
            now + SILENCE_OF_UPLOAD
        } else {
            (now + SILENCE).min(began + self.whole)
        }
    }

    fn is_too_late(&mut self, context: &mut Context<'_>) -> bool {
        if !self.is_awaited {
            self.is_awaited = true;
            self.connection.enter(Phase::Body);
            let deadline = self.deadline();
            match &mut self.clock {
                Some(clock) => clock.as_mut().reset(deadline),
                None => self.clock = Some(Box::pin(sleep_until(deadline))),
            }
        }
        self.clock.as_mut().is_some_and(|clock| clock.as_mut().poll(context).is_ready())
    }

    /// The next piece is not awaited any more: it came, or nobody wants it.
    fn came(&mut self) {
        if self.is_awaited {
            self.is_awaited = false;
            self.connection.body_is_not_awaited();
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.came();
                if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                    self.connection.body_came(data.len());
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending if self.is_too_late(context) => {
                self.came();
                self.limits.bit(Limit::BodyTime, self.connection.address());
                Poll::Ready(Some(Err(BodyTooSlow.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // Nobody awaits it any more, and the request is still being answered.
        self.came();
    }
}

/// An answer's body. When it is over, the connection waits for the next request.
pub(super) struct AnswerBody {
    body: Body,
    connection: Arc<Connection>,
    /// What the answer keeps for itself until it is over.
    _held: Option<Held>,
}

/// Something that an answer holds until its last byte was handed on: put it into the response's extensions.
#[derive(Clone)]
pub(crate) struct Held(
    #[expect(dead_code, reason = "it is kept, not read")] pub(crate) Arc<dyn std::any::Any + Send + Sync>,
);

impl AnswerBody {
    pub(super) fn new(body: Body, connection: Arc<Connection>, held: Option<Held>) -> Self {
        Self { body, connection, _held: held }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Poll::Ready(ready!(Pin::new(&mut self.body).poll_frame(context)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.connection.enter(Phase::Idle);
    }
}
