//! Bodies on their way through the door: a request's says when it is awaited, an answer's end says that the connection is
//! idle.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, Incoming, SizeHint};

use super::connection::{Connection, Phase};
use super::limits::{Limit, Limits};
use super::marks::{BodyTooSlow, Held};

/// Says of a request that its body is passed on as it comes. Such a body must not stand still, but may take as long as it
/// needs.
#[derive(Clone)]
pub(crate) struct Upload(Arc<Connection>);

impl Upload {
    /// From now on this request's body is one.
    pub(crate) fn begins(request: &Request) {
        if let Some(Self(connection)) = request.extensions().get() {
            connection.body_is_upload();
        }
    }
}

/// A request's body, whose connection knows whether it is awaited, and for how long: what waits for WeChat is not the
/// sender's fault. The connection's clock says when it takes too long.
pub(super) struct RequestBody {
    body: Incoming,
    connection: Arc<Connection>,
    limits: Limits,
    is_awaited: bool,
}

impl RequestBody {
    /// Also what makes an upload of it.
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
