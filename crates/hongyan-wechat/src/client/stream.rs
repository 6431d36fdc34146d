//! An exchange of which nothing is held: the request's body goes out as it comes in, and so does the answer's.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::{BoxError, Progress, RequestBody, Streamed};
use super::connect::Sender;
use super::error::{Failure, with_causes};
use super::{Client, Inner};

/// An HTTP answer whose body is still to come.
pub struct StreamedAnswer {
    /// The HTTP status; WeChat's own is always 200.
    pub status: StatusCode,
    /// Every header.
    pub headers: HeaderMap,
    /// The body. Read to its end, it gives the connection back; dropped before, it closes it.
    pub body: AnswerBody,
}

impl fmt::Debug for StreamedAnswer {
    /// Without headers and body, which may hold what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamedAnswer({})", self.status)
    }
}

/// The body of an answer, as it comes in. It fails when nothing has come for as long as an answer may take.
pub struct AnswerBody {
    incoming: Incoming,
    /// What the connection is given back to, and with what; `None` when that is done.
    rest: Option<(Sender, Arc<Progress>)>,
    client: Arc<Inner>,
    silence: Pin<Box<Sleep>>,
}

/// What became of a streamed request on one connection.
enum Attempt {
    Answered(Response<Incoming>),
    Failed(Failure),
    NotWritten(Box<Request<RequestBody>>, String),
}

impl Client {
    /// One request whose body is sent as it comes, and its answer, which is handed on as it comes.
    ///
    /// `headers` are sent as they are, but for `Host` and `Content-Length`: the length is the body's own, if it
    /// knows it. The answer timeout bounds how long nothing may move, not how long the whole may take.
    ///
    /// If the body fails, the connection is closed in the middle of the request. The same happens when the future
    /// or the answer's body is dropped.
    ///
    /// # Errors
    /// As [`Client::exchange`], and [`Failure::Unanswered`] when the body failed.
    pub async fn stream<B>(
        &self,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: B,
    ) -> Result<StreamedAnswer, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let progress = Progress::begin();
        let source = Box::pin(http_body_util::BodyExt::map_err(body, Into::into));
        let streamed = Streamed { source, progress: Arc::clone(&progress) };
        if streamed.source.is_end_stream() {
            // Nobody asks an empty body for a piece.
            progress.end();
        }
        let mut request = self.streamed_request(method, path_and_query, headers, streamed)?;
        if let Some(mut kept) = self.inner.pool.take() {
            match self.attempt_streamed(&mut kept, request, &progress).await {
                Attempt::Answered(response) => return Ok(self.streamed_answer(response, kept, progress)),
                Attempt::Failed(failure) => return Err(failure),
                Attempt::NotWritten(again, _) => request = *again,
            }
        }
        let mut fresh = self.connect().await?;
        match self.attempt_streamed(&mut fresh, request, &progress).await {
            Attempt::Answered(response) => Ok(self.streamed_answer(response, fresh, progress)),
            Attempt::Failed(failure) => Err(failure),
            Attempt::NotWritten(_, why) => Err(Failure::NotSent(why)),
        }
    }

    fn streamed_request(
        &self,
        method: Method,
        path_and_query: &str,
        mut headers: HeaderMap,
        body: Streamed,
    ) -> Result<Request<RequestBody>, Failure> {
        let target = &self.inner.target;
        let uri =
            target.uri(path_and_query).ok_or_else(|| Failure::NotSent("the path is not one".to_owned()))?;
        headers.remove(CONTENT_LENGTH);
        headers.insert(HOST, target.host.clone());
        if let Some(words) = target.proxy_authorization() {
            headers.insert(PROXY_AUTHORIZATION, words.clone());
        }
        let mut request = Request::new(RequestBody::Streamed(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn attempt_streamed(
        &self,
        sender: &mut Sender,
        request: Request<RequestBody>,
        progress: &Progress,
    ) -> Attempt {
        if let Err(why) = self.ready(sender).await {
            return Attempt::NotWritten(Box::new(request), why);
        }
        let patience = self.inner.answer_timeout;
        // From here, for the body may have waited for the connection.
        let begin = Instant::now();
        let mut answering = std::pin::pin!(sender.try_send_request(request));
        loop {
            let until = progress.last().max(begin) + patience;
            tokio::select! {
                biased;
                answered = &mut answering => return match answered {
                    Ok(response) => Attempt::Answered(response),
                    Err(mut refused) => {
                        let request = refused.take_message();
                        let why = with_causes(refused.error());
                        match request {
                            Some(request) => Attempt::NotWritten(Box::new(request), why),
                            None => Attempt::Failed(Failure::Unanswered(why)),
                        }
                    }
                },
                () = sleep_until(until) => {
                    if progress.last().max(begin) + patience <= Instant::now() {
                        let why = if progress.has_ended() { "no answer" } else { "the body did not move" };
                        return Attempt::Failed(Failure::Unanswered(format!("{why} within {patience:?}")));
                    }
                }
            }
        }
    }

    fn streamed_answer(
        &self,
        response: Response<Incoming>,
        sender: Sender,
        progress: Arc<Progress>,
    ) -> StreamedAnswer {
        let (head, incoming) = response.into_parts();
        let silence = Box::pin(tokio::time::sleep(self.inner.answer_timeout));
        let client = Arc::clone(&self.inner);
        let mut body = AnswerBody { incoming, rest: Some((sender, progress)), client, silence };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        StreamedAnswer { status: head.status, headers: head.headers, body }
    }
}

impl AnswerBody {
    /// The answer is over. The connection can be used again only if the request is, too.
    fn give_back(&mut self) {
        if let Some((sender, progress)) = self.rest.take()
            && progress.has_ended()
        {
            self.client.pool.put(sender);
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
                // Whoever reads a body of known length may stop after its last piece.
                None => this.give_back(),
                Some(Ok(_)) if this.incoming.is_end_stream() => this.give_back(),
                Some(Ok(_)) => {}
                Some(Err(_)) => this.rest = None,
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(this.silence.as_mut().poll(context));
        this.rest = None;
        Poll::Ready(Some(Err(format!("nothing came within {:?}", this.client.answer_timeout).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
