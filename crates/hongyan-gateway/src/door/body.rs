//! Bodies on their way through the door. The body of a request reports when the gateway waits for it; the end of an answer's
//! body makes the connection idle.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, Incoming, SizeHint};

use super::connection::{Connection, Phase};
use super::limits::{Limit, Limits};
use super::marks::{BodyTooSlow, Held};

/// Marks a request whose body is streamed to WeChat. Such a body must not stop for long, but its total time is not limited.
#[derive(Clone)]
pub(crate) struct Upload(Arc<Connection>);

impl Upload {
    /// Declares the body of this request an upload.
    pub(crate) fn begins(request: &Request) {
        if let Some(Self(connection)) = request.extensions().get() {
            connection.body_is_upload();
        }
    }
}

/// The body of a request. It tells the connection when the gateway waits for the next piece, and for how long: time that the
/// gateway spends waiting for WeChat is not charged to the sender. The connection decides when a body takes too long.
pub(super) struct RequestBody {
    body: Incoming,
    connection: Arc<Connection>,
    limits: Limits,
    is_awaited: bool,
}

impl RequestBody {
    /// Also returns the handle that declares the body an upload.
    pub(super) fn new(body: Incoming, connection: Arc<Connection>, limits: Limits) -> (Self, Upload) {
        connection.body_begins();
        let upload = Upload(Arc::clone(&connection));
        (Self { body, connection, limits, is_awaited: false }, upload)
    }

    fn is_too_late(&mut self, context: &Context<'_>) -> bool {
        if !self.is_awaited {
            self.is_awaited = true;
            self.connection.enter(Phase::Body);
        }
        self.connection.is_body_too_late(context.waker())
    }

    /// The gateway no longer waits for the next piece: the piece came, or the reader gave up.
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
        // The reader gave up, and the request is still being answered.
        self.came();
    }
}

/// The body of an answer. At its end the connection waits for the next request.
pub(super) struct AnswerBody {
    body: Body,
    connection: Arc<Connection>,
    /// Things that must live until the answer has been written.
    _held: Option<Held>,
}

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
