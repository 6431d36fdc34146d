//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tower::Service;

use super::body::{AnswerBody, Held, RequestBody};
use super::connections::{Connection, Phase, Place};
use super::limits::Limit;
use super::{Shared, address, headers};

/// For so long an answer may wait to be taken.
const ANSWER: Duration = Duration::from_secs(30);

/// When the gateway stops, a head that has begun may take so long.
const LAST_HEAD: Duration = Duration::from_millis(500);

/// The most that is read ahead of a connection, a request's head included.
const BUFFER_BYTES: usize = 32 * 1024;

/// For so long who has tried too many wrong credentials waits for the next refusal.
const PENALTY: Duration = Duration::from_secs(1);

/// In the extensions of an answer: it refuses a key, a session, a secret, a token or a signature that is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrongCredential;

/// Serves a connection until it ends, its time is up, or the gateway has stopped.
pub(super) async fn serve<IO>(
    io: IO,
    peer: SocketAddr,
    over_tls: bool,
    place: &Place,
    router: Router,
    shared: Arc<Shared>,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = &place.connection;
    let io = TokioIo::new(Watched { io, connection: Arc::clone(connection) });
    let requests =
        Requests { router, connection: Arc::clone(connection), shared: Arc::clone(&shared), peer, over_tls };
    let mut http = pin!(http1::Builder::new().max_buf_size(BUFFER_BYTES).serve_connection(io, requests));
    let mut stopping = pin!(shared.stop.stopping());
    let mut clock = pin!(sleep_until(Instant::now() + shared.clocks.header));
    let mut stopped_at = None;
    loop {
        tokio::select! {
            biased;
            // A connection that breaks is its own affair.
            _ended = http.as_mut() => return,
            () = &mut stopping, if stopped_at.is_none() => {
                stopped_at = Some(Instant::now());
                // Closes at once what is idle, and says of what is under way that it is the last.
                http.as_mut().graceful_shutdown();
                clock.as_mut().reset(Instant::now() + LAST_HEAD);
            }
            () = clock.as_mut() => match look(connection, shared.clocks, stopped_at) {
                Look::Again(at) => clock.as_mut().reset(at),
                Look::Over(limit) => {
                    if let Some(limit) = limit {
                        shared.limits.bit(limit, peer);
                    }
                    return;
                }
            },
        }
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    pub(super) header: Duration,
    pub(super) body: Duration,
    pub(super) idle: Duration,
}

/// What a look at a connection finds.
enum Look {
    /// It is in time. Look again then.
    Again(Instant),
    /// Its time is up, for a reason that is counted or for none.
    Over(Option<Limit>),
}

fn look(connection: &Connection, clocks: Clocks, stopped_at: Option<Instant>) -> Look {
    let now = Instant::now();
    let since = connection.since();
    let (due, limit) = match (connection.phase(), stopped_at) {
        (Phase::Fresh | Phase::Head | Phase::Idle, Some(stopped_at)) => (stopped_at + LAST_HEAD, None),
        (Phase::Handshake | Phase::Fresh | Phase::Head, None) => {
            (since + clocks.header, Some(Limit::HeaderTime))
        }
        (Phase::Idle, None) => (since + clocks.idle, None),
        (Phase::Handshake | Phase::Busy | Phase::Body, _) => {
            let due = connection.stalled_since().map(|stalled| stalled + ANSWER);
            (due.unwrap_or(now + clocks.header), Some(Limit::AnswerTime))
        }
    };
    if now >= due {
        return Look::Over(limit);
    }
    // What begins after this look is looked at in time.
    let period = if stopped_at.is_some() { LAST_HEAD } else { clocks.header };
    Look::Again(due.min(now + period))
}

/// What answers the requests of a connection.
struct Requests {
    router: Router,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    peer: SocketAddr,
    over_tls: bool,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let (connection, shared) = (Arc::clone(&self.connection), Arc::clone(&self.shared));
        connection.enter(Phase::Busy);
        let mut router = self.router.clone();
        let (peer, over_tls) = (self.peer, self.over_tls);
        Box::pin(async move {
            let client = address::of(peer.ip(), request.headers(), &shared.trusted_proxies);
            let response = match headers::check_host(&request, shared.hosts.as_deref()) {
                Ok(()) => {
                    let mut request = with_clock(request, &connection, &shared);
                    request.extensions_mut().insert(client);
                    let Ok(()) =
                        poll_fn(|context| Service::<Request<Body>>::poll_ready(&mut router, context)).await;
                    let Ok(response) = router.call(request).await;
                    response
                }
                Err(problem) => {
                    shared.limits.bit(Limit::Host, peer);
                    problem.into_response()
                }
            };
            let (mut head, body) = response.into_parts();
            headers::secure(&mut head.headers, over_tls);
            let held = head.extensions.remove::<Held>();
            let is_wrong = head.extensions.remove::<WrongCredential>().is_some();
            if is_wrong && shared.rates.wrong_credential(client).is_err() {
                // Who waits for a refusal gives way to others.
                connection.enter(Phase::Idle);
                tokio::time::sleep(PENALTY).await;
            }
            Ok(Response::from_parts(head, AnswerBody::new(body, connection, held)))
        })
    }
}

fn with_clock(request: Request<Incoming>, connection: &Arc<Connection>, shared: &Shared) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    if body.is_end_stream() {
        return Request::from_parts(head, Body::empty());
    }
    let (body, upload) =
        RequestBody::new(body, Arc::clone(connection), shared.limits.clone(), shared.clocks.body);
    head.extensions.insert(upload);
    Request::from_parts(head, Body::new(body))
}

/// A stream that tells its connection what comes, and whether what is written is taken.
struct Watched<IO> {
    io: IO,
    connection: Arc<Connection>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.connection.heard();
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.connection.flows(written.is_ready());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.connection.flows(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.connection.flows(flushed.is_ready());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(context);
        self.connection.flows(shut.is_ready());
        shut
    }
}
