//! A minimal HTTP server on hyper. It treats every request as a message, on any path.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::Result;

/// Serves on a free port until SIGTERM, and prints the address to standard output. `accept` takes a request's body and returns
/// the status of the answer.
pub(super) async fn until_told<A, F>(accept: A) -> Result
where
    A: Fn(Bytes) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = StatusCode> + Send + 'static,
{
    let failed = |error: std::io::Error| format!("cannot serve: {error}");
    let mut told = signal(SignalKind::terminate()).map_err(failed)?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    println!("listening on http://{}", listener.local_addr().map_err(failed)?);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = told.recv() => break,
        };
        // An error concerns one connection, which was closed before it was accepted.
        let Ok((stream, _)) = accepted else { continue };
        // Without TCP_NODELAY the socket works, only slower.
        let _ = stream.set_nodelay(true);
        let accept = accept.clone();
        connections.spawn(async move {
            let serve = service_fn(move |request| answer(request, accept.clone()));
            // An error only means that the caller closed the connection.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
    connections.shutdown().await;
    Ok(())
}

async fn answer<A, F>(
    request: Request<Incoming>,
    accept: A,
) -> std::result::Result<Response<Full<Bytes>>, Infallible>
where
    A: Fn(Bytes) -> F,
    F: Future<Output = StatusCode>,
{
    let mut response = Response::new(Full::default());
    *response.status_mut() = match request.into_body().collect().await {
        Ok(body) => accept(body.to_bytes()).await,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    Ok(response)
}
