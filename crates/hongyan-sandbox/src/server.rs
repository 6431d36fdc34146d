//! The accept loop: HTTP/1.1 connections that a request can reset.
//!
//! A web framework can only answer. A reliable fault, a connection that dies without an answer, needs the socket itself,
//! so connections are served here one by one.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use crate::tls::Tls;

/// How long open requests may take to end after the server stops. The sandbox's own work takes an instant; this time is
/// for callers that do not read.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long a client may take for the head of a request, from its first byte or from the answer before.
const HEAD_PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait after an accept error that only time fixes (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listeners of a sandbox.
#[derive(Debug)]
pub struct Listening {
    /// For HTTP.
    pub http: TcpListener,
    /// For HTTPS, if HTTPS is wanted.
    pub https: Option<(TcpListener, Tls)>,
}

/// Resets the connection of a request. A request carries this in its extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kill(Arc<Notify>);

impl Kill {
    /// Resets the connection. Does not return, because the connection's task drops the request too. Without a connection
    /// (the router was called directly) the answer says that the fault is impossible.
    pub(crate) async fn now(kill: Option<Self>) -> Response {
        let Some(Self(notify)) = kill else {
            let text = "this fault needs a network connection: serve the sandbox on a listener";
            return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
        };
        notify.notify_one();
        pending().await
    }
}

/// Serves until `stop` resolves, then lets open connections end. At most `most` connections are open at once; further
/// connections wait until a connection ends.
pub(crate) async fn serve(
    listening: Listening,
    router: Router,
    most: usize,
    stopping: watch::Sender<bool>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let Listening { http, https } = listening;
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(most));
    let mut stop = std::pin::pin!(stop);
    let outcome = loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            let accepted = tokio::select! {
                accepted = http.accept() => accepted.map(|(stream, _)| (stream, None)),
                accepted = accept(https.as_ref()) => accepted.map(|(stream, tls)| (stream, Some(tls))),
            };
            (place, accepted)
        };
        tokio::select! {
            () = &mut stop => break Ok(()),
            (place, accepted) = next => match accepted {
                Ok((stream, tls)) => {
                    let served = handshake_and_serve(stream, tls, router.clone(), stopping.subscribe());
                    connections.spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(error) if is_about_one_connection(&error) => {
                    tracing::warn!(%error, "a connection was lost before it was accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                Err(error) => break Err(error),
            },
            Some(_) = connections.join_next() => {}
        }
    };
    stopping.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_PATIENCE, all_ended).await.is_err() {
        tracing::warn!("connections that did not end in time are closed");
        connections.shutdown().await;
    }
    outcome
}

/// The next connection for HTTPS; never resolves if there is no HTTPS listener.
async fn accept(https: Option<&(TcpListener, Tls)>) -> std::io::Result<(TcpStream, Tls)> {
    match https {
        Some((listener, tls)) => listener.accept().await.map(|(stream, _)| (stream, tls.clone())),
        None => pending().await,
    }
}

/// Whether an `accept` error does not mean a broken listener: the peer gave up, or too many files are open right now.
fn is_about_one_connection(error: &std::io::Error) -> bool {
    const TOO_MANY_OPEN_FILES: [i32; 2] = [23, 24]; // ENFILE, EMFILE
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
}

/// A stream whose connection can be reset.
trait Reset: AsyncRead + AsyncWrite + Unpin {
    /// With a linger time of zero, dropping the stream sends a reset instead of an orderly close.
    fn linger_no_more(&self) -> std::io::Result<()>;
}

impl Reset for TcpStream {
    fn linger_no_more(&self) -> std::io::Result<()> {
        self.set_zero_linger()
    }
}

impl Reset for TlsStream<TcpStream> {
    fn linger_no_more(&self) -> std::io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

async fn handshake_and_serve(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
    stopping: watch::Receiver<bool>,
) {
    // Answers are small and written at once: Nagle's algorithm would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection was gone before it was served");
        return;
    }
    match tls {
        None => connection(stream, router, stopping).await,
        Some(tls) => {
            if let Some(stream) = tls.accept(stream).await {
                connection(stream, router, stopping).await;
            }
        }
    }
}

async fn connection(stream: impl Reset, router: Router, mut stopping: watch::Receiver<bool>) {
    let kill = Kill::default();
    let killed = Arc::clone(&kill.0);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(kill.clone());
        let router = router.clone();
        async move { Ok::<_, Infallible>(answered(router.oneshot(request.map(Body::new)).await)) }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            () = killed.notified() => {
                let stream = connection.into_parts().io.into_inner();
                if let Err(error) = stream.linger_no_more() {
                    tracing::debug!(%error, "the connection could not be reset and is closed instead");
                }
                return;
            }
            ended = Pin::new(&mut connection) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended in the middle of a request");
                }
                return;
            }
            _ = stopping.wait_for(|stop| *stop), if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
}

fn answered(result: Result<Response, Infallible>) -> Response {
    match result {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
