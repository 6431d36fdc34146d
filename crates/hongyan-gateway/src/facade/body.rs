//! Bodies of which only the beginning is read ahead.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

/// How long a body may stall while its beginning is read.
const SILENCE: Duration = Duration::from_secs(30);

/// The part of a body that was read.
pub(super) enum Taken {
    /// The whole body, which is no longer than the limit.
    Whole(Bytes),
    /// A longer body. It still yields every byte from the beginning.
    Beginning(Body),
}

/// Reads a body whole if it has at most `limit` bytes; of a longer body, reads not much more than that. A body whose declared
/// length is greater is not read at all.
///
/// # Errors
/// When the body breaks off or stalls.
pub(super) async fn begin(mut body: Body, limit: usize) -> Result<Taken, axum::BoxError> {
    if body.size_hint().lower() > limit as u64 {
        return Ok(Taken::Beginning(body));
    }
    let (mut pieces, mut length) = (VecDeque::new(), 0);
    loop {
        let frame = tokio::time::timeout(SILENCE, body.frame()).await?;
        match frame.transpose()?.map(Frame::into_data) {
            Some(Ok(piece)) => {
                length += piece.len();
                pieces.push_back(piece);
            }
            // Trailers are dropped, because WeChat does not read them.
            Some(Err(_trailers)) => {}
            None => return Ok(Taken::Whole(joined(pieces, length))),
        }
        if length > limit {
            return Ok(Taken::Beginning(Body::new(Resumed { pieces, length: length as u64, rest: body })));
        }
    }
}

/// The most that is read of a refused body. Most clients read the answer only after they have sent the whole body.
const DRAINED: usize = 16 * 1024 * 1024;

/// Reads and drops the body of a refused request, up to limits.
pub(super) async fn drain(mut body: Body) {
    let reading = async {
        let mut length = 0;
        while length < DRAINED
            && let Some(Ok(frame)) = body.frame().await
        {
            length += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    let _ = tokio::time::timeout(SILENCE, reading).await;
}

fn joined(mut pieces: VecDeque<Bytes>, length: usize) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop_front().unwrap_or_default();
    }
    let mut whole = Vec::with_capacity(length);
    for piece in pieces {
        whole.extend_from_slice(&piece);
    }
    whole.into()
}

/// A body that records whether it was read to its end.
pub(super) struct Watched {
    body: Body,
    ended: Arc<AtomicBool>,
}

/// The body, and a flag that becomes true when the whole body has been read.
pub(super) fn watched(body: Body) -> (Watched, Arc<AtomicBool>) {
    let ended = Arc::new(AtomicBool::new(body.is_end_stream()));
    (Watched { body, ended: Arc::clone(&ended) }, ended)
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // A body of known length is not polled again after its last piece.
        if frame.is_none() || (matches!(frame, Some(Ok(_))) && self.body.is_end_stream()) {
            self.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose beginning has been read already.
struct Resumed {
    pieces: VecDeque<Bytes>,
    /// The total length of the pieces.
    length: u64,
    rest: Body,
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.pieces.pop_front() {
            Some(piece) => {
                self.length -= piece.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.rest.size_hint(), SizeHint::new());
        hint.set_lower(rest.lower() + self.length);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + self.length);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn pieces(texts: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(texts.iter().map(|text| Ok::<_, axum::BoxError>(Bytes::from(*text)))))
    }

    #[tokio::test]
    async fn a_short_body_is_taken_whole_and_a_long_one_loses_nothing() {
        let Taken::Whole(whole) = begin(pieces(&["ab", "cd"]), 4).await.unwrap() else {
            panic!("it is short")
        };
        assert_eq!(whole, "abcd");
        let Taken::Beginning(body) = begin(pieces(&["ab", "cd", "e", "f"]), 3).await.unwrap() else {
            panic!("it is long")
        };
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef");
    }

    #[tokio::test]
    async fn one_that_says_its_length_keeps_saying_it() {
        let Taken::Beginning(body) = begin(Body::from("abcdef"), 3).await.unwrap() else {
            panic!("it is long")
        };
        assert_eq!(body.size_hint().exact(), Some(6));
    }

    #[tokio::test]
    async fn one_that_breaks_off_is_not_whole() {
        let broken = stream::iter([Ok(Bytes::from("ab")), Err(axum::BoxError::from("gone"))]);
        assert!(begin(Body::from_stream(broken), 9).await.is_err());
    }
}
