//! Removes the app's secrets from WeChat's answers.
//!
//! WeChat, a proxy or an error page may repeat the URL of a request, and the gateway's URLs contain the AppSecret or the
//! access token. So the headers and every piece of a streamed body are searched before they are passed on
//! ([`hongyan_wechat::blot`] knows the forms of a secret). A compressed body cannot be searched and is not passed on.

use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use hongyan_wechat::SecretString;
use hongyan_wechat::blot::Blotter;
use hyper::body::{Frame, SizeHint};

use super::answer::{GATEWAY_FAILED, Refusal};
use crate::apps::App;
use crate::context::Context;

/// A filter for the secrets that must not reach a caller: the AppSecret, the token of the call, and the tokens that WeChat
/// accepts or accepted recently.
pub(super) fn blotter(context: &Context, app: &App, used: Option<&SecretString>) -> Result<Blotter, Refusal> {
    let secret = context.apps.secret(app).map_err(|error| {
        tracing::error!(app = %app.record.appid, %error, "the app's secret cannot be decrypted");
        Refusal::own(&GATEWAY_FAILED, "")
    })?;
    Ok(Blotter::new(app.token.recent().into_iter().chain(used.cloned()).chain([secret])))
}

/// Whether an answer's body is compressed and so cannot be searched, although the gateway asks for no compression.
pub(super) fn is_packed(headers: &HeaderMap) -> bool {
    let is_other = |name, plain: &'static str| {
        headers.get_all(name).iter().any(|value| {
            let words = value.to_str().unwrap_or("?");
            words
                .split(',')
                .any(|word| !matches!(word.trim(), "") && !word.trim().eq_ignore_ascii_case(plain))
        })
    };
    is_other(header::CONTENT_ENCODING, "identity") || is_other(header::TRANSFER_ENCODING, "chunked")
}

/// A body whose pieces are searched for secrets. Its length does not change.
pub(super) struct Cleaned {
    body: Body,
    blotter: Blotter,
    /// The end of the last piece, which may be the beginning of a secret.
    held: Vec<u8>,
    is_over: bool,
}

/// The body without secrets.
pub(super) fn cleaned(body: Body, blotter: Blotter) -> Body {
    Body::new(Cleaned { is_over: body.is_end_stream(), body, blotter, held: Vec::new() })
}

impl HttpBody for Cleaned {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        while !this.is_over {
            let piece = match ready!(Pin::new(&mut this.body).poll_frame(task)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => piece,
                    // Trailers are dropped, because callers do not read them.
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => {
                    this.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => Bytes::new(),
            };
            // A body of known length is not polled again after its last piece.
            this.is_over = piece.is_empty() || this.body.is_end_stream();
            if this.held.is_empty() && this.is_over && !this.blotter.is_in(&piece) {
                return Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))));
            }
            let clean = this.blotter.piece(&mut this.held, &piece, this.is_over);
            if !clean.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(clean.into()))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over && self.held.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, held, mut hint) = (self.body.size_hint(), self.held.len() as u64, SizeHint::new());
        hint.set_lower(rest.lower() + held);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt;

    use super::*;

    fn blotter() -> Blotter {
        Blotter::new(["T0KEN-T0KEN".into()])
    }

    async fn read(body: Body) -> String {
        String::from_utf8(cleaned(body, blotter()).collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_secret_is_taken_out_wherever_the_pieces_end() {
        let text = "a T0KEN-T0KEN b \\u00540KEN-T0KEN T0KEN";
        let expected = "a *********** b **************** T0KEN";
        assert_eq!(read(Body::from(text)).await, expected);
        for at in 0..text.len() {
            let (first, second) = text.split_at(at);
            let pieces = [first, second].map(|piece| Ok::<_, axum::Error>(Bytes::from(piece)));
            let pieces =
                pieces.into_iter().filter(|piece| piece.as_ref().is_ok_and(|piece| !piece.is_empty()));
            assert_eq!(read(Body::from_stream(stream::iter(pieces))).await, expected, "cut at {at}");
        }
        assert_eq!(read(Body::empty()).await, "");
    }

    #[tokio::test]
    async fn a_body_that_says_its_length_keeps_saying_it() {
        let body = cleaned(Body::from("xT0KEN-T0KEN"), blotter());
        assert_eq!(body.size_hint().exact(), Some(12));
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 12);
    }

    #[test]
    fn what_is_packed_is_known_by_its_head() {
        let is = |name: &'static str, value: &'static str| {
            is_packed(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
        };
        for packed in ["gzip", "br", "identity, gzip", "x", "GZIP"] {
            assert!(is("content-encoding", packed), "{packed}");
        }
        assert!(is("transfer-encoding", "gzip, chunked"));
        assert!(!is("content-encoding", "identity") && !is("content-encoding", ""));
        assert!(!is("transfer-encoding", "chunked") && !is("content-type", "gzip"));
    }
}
