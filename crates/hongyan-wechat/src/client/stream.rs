//! An exchange that holds nothing in memory: the request's body and the answer's body pass through as streams.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hongyan_http::Connection;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::Client;
use super::body::{BoxError, RequestBody, Upload};
use super::converse::{Answering, Patience, Repeat, Transport};
use super::error::Failure;

/// An HTTP answer whose body has not arrived yet.
pub struct StreamedAnswer {
    /// The HTTP status; WeChat's own is always 200.
    pub status: StatusCode,
    /// Every header.
    pub headers: HeaderMap,
    /// The body. Reading the body to its end gives the connection back; dropping the body earlier closes the connection.
    pub body: AnswerBody,
}

impl fmt::Debug for StreamedAnswer {
    /// Prints no headers and no body, because they may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamedAnswer({})", self.status)
    }
}

/// The body of an answer as a stream. The stream fails when nothing arrives for the answer timeout.
pub struct AnswerBody {
    incoming: Incoming,
    /// The pool and the connection to give back; `None` after that.
    rest: Option<(Connection<RequestBody>, Patience)>,
    client: Arc<Transport>,
    silence: Pin<Box<Sleep>>,
}

impl Client {
    /// Sends one request with a streamed body, and returns the answer with a streamed body.
    ///
    /// `headers` are sent unchanged, except `Host` and `Content-Length`: the length is the body's own, if it is known.
    /// The answer timeout limits how long nothing may move, not how long the whole exchange may take.
    ///
    /// If the body fails, the connection is closed in the middle of the request. The same happens when the future or the
    /// answer's body is dropped.
    ///
    /// # Errors
    /// As [`Client::exchange`], and [`Failure::Unanswered`] when the body failed.
    pub async fn stream(
        &self,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: Upload,
        repeat: Repeat,
    ) -> Result<StreamedAnswer, Failure> {
        let request = self.inner.outgoing(method, path_and_query, headers, body, repeat)?;
        let Answering { response, connection, patience } = self.inner.converse(request).await?;
        let (head, incoming) = response.into_parts();
        let silence = Box::pin(tokio::time::sleep(self.inner.answer_timeout));
        let client = Arc::clone(&self.inner);
        let mut body = AnswerBody { incoming, rest: Some((connection, patience)), client, silence };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        Ok(StreamedAnswer { status: head.status, headers: head.headers, body })
    }
}

impl AnswerBody {
    /// The answer is complete. The connection can be used again only if the request is complete too.
    fn give_back(&mut self) {
        if let Some((connection, patience)) = self.rest.take()
            && patience.body_has_ended()
        {
            self.client.pool.put(connection);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(context) {
            this.silence.as_mut().reset(Instant::now() + this.client.answer_timeout);
            match &frame {
                // A reader of a body of known length may stop after the last piece.
                None => this.give_back(),
                Some(Ok(_)) if this.incoming.is_end_stream() => this.give_back(),
                Some(Ok(_)) => {}
                Some(Err(_)) => this.rest = None,
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(this.silence.as_mut().poll(context));
        this.rest = None;
        Poll::Ready(Some(Err(format!("no data arrived within {:?}", this.client.answer_timeout).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
