//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, Request, Response};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tower::Service;
use tracing::{Instrument, Span};

use super::body::{AnswerBody, RequestBody};
use super::connection::{Connection, Phase};
use super::connections::Place;
use super::limits::Limit;
use super::marks::{Held, Route, WrongCredential};
use super::shared::{Clocks, Shared};
use super::watch::Watch;
use super::{address, headers};
use crate::request_id;

/// While the gateway stops, the rest of a head may take this long.
const LAST_HEAD: Duration = Duration::from_millis(500);

/// The most bytes that are read ahead of a connection, including the head of a request.
const BUFFER_BYTES: usize = 32 * 1024;

/// A client with too many wrong credentials waits this long for each refusal.
const PENALTY: Duration = Duration::from_secs(1);

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
    let service = service_fn(move |request| {
        requests.connection.enter(Phase::Busy);
        requests.clone().answer(request)
    });
    let mut http = pin!(http1::Builder::new().max_buf_size(BUFFER_BYTES).serve_connection(io, service));
    let mut stopping = pin!(shared.stop.stopping());
    let mut clock = pin!(sleep_until(Instant::now() + shared.clocks.header));
    let mut stopped_at = None;
    loop {
        tokio::select! {
            biased;
            // An error of the connection needs no handling.
            _ended = http.as_mut() => return,
            () = &mut stopping, if stopped_at.is_none() => {
                stopped_at = Some(Instant::now());
                // Closes an idle connection at once, and announces the end of the connection in an answer that is under way.
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

/// The result of a check of a connection.
enum Look {
    /// The connection is in time. Check again at this moment.
    Again(Instant),
    /// The connection's time is up; the limit to count, if any.
    Over(Option<Limit>),
}

fn look(connection: &Connection, clocks: Clocks, stopped_at: Option<Instant>) -> Look {
    let now = Instant::now();
    let since = connection.since();
    // The rest of an answer may still be unread, even between two requests.
    let untaken =
        connection.stalled_since().map(|stalled| (stalled + clocks.answer, Some(Limit::AnswerTime)));
    let (due, limit) = match (connection.phase(), stopped_at) {
        (Phase::Fresh | Phase::Head, Some(stopped_at)) => (stopped_at + LAST_HEAD, None),
        (Phase::Handshake | Phase::Fresh | Phase::Head, None) => {
            (since + clocks.header, Some(Limit::HeaderTime))
        }
        (Phase::Idle, None) => untaken.unwrap_or((since + clocks.idle, None)),
        // After a stop, an idle connection still has the rest of an answer to write; otherwise it would be closed already.
        (Phase::Handshake | Phase::Busy | Phase::Idle, _) => untaken.unwrap_or((now + clocks.header, None)),
        (Phase::Body, _) => {
            let body_due = connection.body_due(clocks.body);
            let is_late = now >= body_due;
            if is_late {
                // The reader of the body refuses the request. The connection is then busy until the refusal is written.
                connection.body_is_too_late();
            }
            let body = (if is_late { now + clocks.header } else { body_due }, None);
            untaken.filter(|(at, _)| *at < body.0).unwrap_or(body)
        }
    };
    if now >= due {
        return Look::Over(limit);
    }
    // A phase that begins after this check must be checked in time.
    let period = if stopped_at.is_some() { LAST_HEAD } else { clocks.shortest() };
    Look::Again(due.min(now + period))
}

/// Answers the requests of a connection.
#[derive(Clone)]
struct Requests {
    router: Router,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    peer: SocketAddr,
    over_tls: bool,
}

impl Requests {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
        let Self { mut router, connection, shared, peer, over_tls } = self;
        let client = address::of(peer.ip(), request.headers(), &shared.trusted_proxies);
        let id = request_id::of(&request);
        let is_told = request_id::is_in_answers(request.uri().path());
        let (note, watch) = Watch::begin(&request, id.as_ref(), &shared.traces);
        let is_head = request.method() == Method::HEAD;
        let response = match headers::check_host(&request, shared.hosts.as_deref()) {
            Ok(()) => {
                let mut request = with_clock(request, &connection, &shared);
                request.extensions_mut().insert(client);
                request.extensions_mut().insert(address::Peer(peer.ip()));
                if let Some(note) = note {
                    request.extensions_mut().insert(note);
                }
                let span = id.as_ref().map_or_else(Span::none, request_id::span);
                // A router is always ready.
                let Ok(response) = router.call(request).instrument(span).await;
                response
            }
            Err(problem) => {
                shared.limits.bit(Limit::Host, peer);
                problem.into_response()
            }
        };
        let (mut head, body) = response.into_parts();
        if !is_head && body.size_hint().exact().is_some() {
            // hyper writes the header from the size of the body. Removing the header here avoids that the map of headers
            // grows.
            head.headers.remove(CONTENT_LENGTH);
        }
        headers::secure(&mut head.headers, over_tls);
        let route = head.extensions.remove::<Route>();
        let route = route.as_ref().map(|route| route.0.as_str());
        shared.limits.report().answered(route, head.status.as_u16());
        if let Some(watch) = watch {
            watch.end(id.as_ref(), route, head.status);
        }
        if let Some(id) = id.filter(|_| is_told) {
            head.headers.insert(request_id::NAME, id);
        }
        let held = head.extensions.remove::<Held>();
        let is_wrong = head.extensions.remove::<WrongCredential>().is_some();
        if is_wrong && shared.rates.wrong_credential(client).is_err() {
            // A connection that waits for its refusal may be closed for another connection.
            connection.enter(Phase::Idle);
            tokio::time::sleep(PENALTY).await;
        }
        Ok(Response::from_parts(head, AnswerBody::new(body, connection, held)))
    }
}

fn with_clock(request: Request<Incoming>, connection: &Arc<Connection>, shared: &Shared) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    if body.is_end_stream() {
        return Request::from_parts(head, Body::empty());
    }
    let (body, upload) = RequestBody::new(body, Arc::clone(connection), shared.limits.clone());
    head.extensions.insert(upload);
    Request::from_parts(head, Body::new(body))
}

/// A stream that tells its connection when bytes come, and whether the client reads what is written.
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use hongyan_clock::Clock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::super::connections::{Connections, Room};
    use super::super::limits::Limits;
    use super::super::rates::Rates;
    use super::*;
    use crate::config::Settings;
    use crate::report::Report;
    use crate::stop::Stop;
    use crate::traces::Traces;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);
    const PATIENCE: Duration = Duration::from_secs(20);

    struct Scene {
        client: DuplexStream,
        serving: JoinHandle<()>,
        stop: Stop,
    }

    /// A connection with these clocks to a server whose `/` has a long body.
    fn connect(clocks: Clocks) -> Scene {
        let (client, server) = duplex(1_024);
        let limits = Limits::new(&Report::new());
        let stop = Stop::default();
        let rates = Arc::new(Rates::new(&Settings::default(), Clock::system(), limits.clone()));
        let shared = Arc::new(Shared {
            stop: stop.clone(),
            limits: limits.clone(),
            rates,
            clocks,
            hosts: None,
            trusted_proxies: Vec::new(),
            traces: Traces::default(),
        });
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let room = Room { connections: 1, per_address: 0, handshakes: 1 };
        let place = Connections::new(room, limits).admit(peer.ip(), Phase::Fresh).unwrap();
        let router = Router::new().route("/", get(|| async { "x".repeat(1024 * 1024) }));
        let serving = tokio::spawn(async move { serve(server, peer, false, &place, router, shared).await });
        Scene { client, serving, stop }
    }

    async fn ends(serving: JoinHandle<()>) {
        timeout(PATIENCE, serving).await.expect("the connection ends").unwrap();
    }

    #[tokio::test]
    async fn who_does_not_take_an_answer_is_not_waited_for() {
        let mut scene = connect(Clocks { header: SHORT, body: LONG, idle: LONG, answer: SHORT });
        scene.client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        ends(scene.serving).await;
    }

    #[tokio::test]
    async fn who_takes_it_slowly_gets_all_of_it_also_during_a_stop() {
        let mut scene = connect(Clocks { header: LONG, body: LONG, idle: LONG, answer: LONG });
        scene.client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut heard = vec![0; 512];
        scene.client.read_exact(&mut heard).await.unwrap();
        scene.stop.stop();
        // The client reads nothing for longer than a head may take during a stop.
        tokio::time::sleep(LAST_HEAD + SHORT).await;
        timeout(PATIENCE, scene.client.read_to_end(&mut heard)).await.expect("the connection ends").unwrap();
        assert!(heard.len() > 1024 * 1024, "{} bytes", heard.len());
        ends(scene.serving).await;
    }

    #[tokio::test]
    async fn a_connection_without_requests_ends_with_its_idle_time() {
        let mut scene = connect(Clocks { header: SHORT, body: LONG, idle: SHORT * 4, answer: LONG });
        scene.client.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let began = Instant::now();
        let mut heard = Vec::new();
        timeout(PATIENCE, scene.client.read_to_end(&mut heard)).await.expect("the connection ends").unwrap();
        assert!(heard.starts_with(b"HTTP/1.1 200 OK"));
        assert!(began.elapsed() >= SHORT * 3, "longer than a head may take: {:?}", began.elapsed());
        ends(scene.serving).await;
    }
}
