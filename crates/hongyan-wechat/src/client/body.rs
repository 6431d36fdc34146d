//! The two kinds of request bodies: whole in memory, as nearly all are, or a stream from another sender.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// Any error, in the form of HTTP bodies.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that its source produces while it is sent.
pub(super) type Source = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

/// A request's body, as the caller passes it.
pub enum Upload {
    /// The whole body is in memory, so it can be sent again.
    Whole(Bytes),
    /// A stream, which can be sent only once.
    Running(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl fmt::Debug for Upload {
    /// Prints no contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(body) => write!(f, "Whole({} bytes)", body.len()),
            Self::Running(_) => f.write_str("Running"),
        }
    }
}

impl Upload {
    /// A body from a stream.
    pub fn running<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::Running(Box::pin(http_body_util::BodyExt::map_err(body, Into::into)))
    }

    /// The body as it is sent, and the progress of a stream.
    pub(super) fn into_body(self) -> (RequestBody, Option<Arc<Progress>>) {
        match self {
            Self::Whole(body) => (RequestBody::whole(body), None),
            Self::Running(source) => {
                let progress = Progress::begin();
                if source.is_end_stream() {
                    // hyper never polls an empty body.
                    progress.end();
                }
                (RequestBody::Streamed(Streamed { source, progress: Arc::clone(&progress) }), Some(progress))
            }
        }
    }
}

impl RequestBody {
    pub(super) fn whole(body: Bytes) -> Self {
        Self::Whole(Full::new(body))
    }
}

/// A request's body.
pub(super) enum RequestBody {
    Whole(Full<Bytes>),
    Streamed(Streamed),
}

/// A stream as a body. If its source fails, the request is aborted, so that WeChat never takes it for complete.
pub(super) struct Streamed {
    pub(super) source: Source,
    pub(super) progress: Arc<Progress>,
}

/// The progress of a body.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    /// The time at which the last piece was taken, in milliseconds after the start.
    moved: AtomicU64,
    /// Whether the whole body was taken.
    ended: AtomicBool,
}

impl Progress {
    fn begin() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), moved: AtomicU64::new(0), ended: AtomicBool::new(false) })
    }

    /// The time of the last progress.
    pub(super) fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn note(&self, is_over: bool) {
        self.moved.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
        if is_over {
            self.end();
        }
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Streamed(Streamed { source, progress }) => {
                let frame = ready!(source.as_mut().poll_frame(context));
                // hyper does not poll a body of known length again after its last piece.
                progress.note(frame.is_none() || (matches!(frame, Some(Ok(_))) && source.is_end_stream()));
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(body) => body.source.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(body) => body.source.size_hint(),
        }
    }
}
