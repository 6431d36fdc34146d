//! The accept loop: HTTP/1.1 connections, each of which can be killed from inside a request.
//!
//! A web framework can only answer. A fault that a test can trust, a connection that dies without an answer,
//! needs the socket itself, so connections are served here one by one.

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
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// How long open requests may take to end once the server stops. Nothing of the sandbox's own takes longer than an
/// instant then; this is for callers that do not read.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Kills the connection that a request came on. Stands in the request's extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kill(Arc<Notify>);

impl Kill {
    /// Resets the connection. Does not return, because the connection's task drops the request with it; without
    /// a connection of its own (the router was called directly) the answer says that it cannot be done.
    pub(crate) async fn now(kill: Option<Self>) -> Response {
        let Some(Self(notify)) = kill else {
            let text = "this fault needs a real connection: serve the sandbox on a listener";
            return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
        };
        notify.notify_one();
        pending().await
    }
}

/// Serves until `stop` resolves, then lets open connections end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stopping: watch::Sender<bool>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    let outcome = loop {
        tokio::select! {
            () = &mut stop => break Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), stopping.subscribe()));
                }
                Err(error) if is_about_one_connection(&error) => {
                    tracing::warn!(%error, "a connection was lost before it was accepted");
                }
                Err(error) => break Err(error),
            },
            Some(_) = connections.join_next() => {}
        }
    };
    stopping.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_PATIENCE, all_ended).await.is_err() {
        tracing::warn!("connections that would not end are cut off");
        connections.shutdown().await;
    }
    outcome
}

/// Whether an error of `accept` says nothing about the listener: the peer gave up, or there are too many open
/// files at this moment.
fn is_about_one_connection(error: &std::io::Error) -> bool {
    const TOO_MANY_OPEN_FILES: [i32; 2] = [23, 24]; // ENFILE, EMFILE
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
}

async fn connection(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    // Answers are small and written at once: waiting for more to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection was gone before it was served");
        return;
    }
    let kill = Kill::default();
    let killed = Arc::clone(&kill.0);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(kill.clone());
        let router = router.clone();
        async move { Ok::<_, Infallible>(answered(router.oneshot(request.map(Body::new)).await)) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            () = killed.notified() => {
                let stream = connection.into_parts().io.into_inner();
                // With a zero linger time, dropping the stream sends a reset instead of a polite end.
                if let Err(error) = stream.set_zero_linger() {
                    tracing::debug!(%error, "the connection that was to be reset is closed instead");
                }
                return;
            }
            ended = Pin::new(&mut connection) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended in the middle");
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
