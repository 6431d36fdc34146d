//! Listeners: take or refuse new connections. A failure of one connection does not end the others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::connection::Phase;
use super::connections::{Connections, Place};
use super::limits::Limit;
use super::serving;
use super::shared::Shared;
use crate::tls::Tls;

/// The longest time that a client may take for its part of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// The wait for a free descriptor: connections end within moments.
const PAUSE: Duration = Duration::from_millis(20);

/// A listener, and what serves its connections.
pub(super) struct Entrance {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) router: Router,
    pub(super) connections: Connections,
    pub(super) shared: Arc<Shared>,
    /// Each connection holds a copy, so that the end of the last connection is noticed.
    pub(super) open: watch::Receiver<()>,
}

impl Entrance {
    /// Takes connections until the gateway stops.
    pub(super) async fn run(self) {
        tokio::select! {
            () = self.shared.stop.stopping() => {}
            () = self.take_all() => {}
        }
    }

    async fn take_all(&self) {
        loop {
            while !self.connections.have_room() {
                tokio::time::sleep(PAUSE).await;
            }
            match self.listener.accept().await {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    self.shared.limits.bit(Limit::Descriptors, &error);
                    self.connections.one_gives_way();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        // Small answers must not wait for the next packet. A socket without this option still works.
        let _ = stream.set_nodelay(true);
        let phase = if self.tls.is_some() { Phase::Handshake } else { Phase::Fresh };
        // Without a place the stream is dropped, which closes the connection.
        let Some(place) = self.connections.admit(peer.ip().to_canonical(), phase) else { return };
        let connection = Arc::clone(&place.connection);
        let (router, shared, open) = (self.router.clone(), Arc::clone(&self.shared), self.open.clone());
        let task = match &self.tls {
            None => tokio::spawn(async move {
                serving::serve(stream, peer, false, &place, router, shared).await;
                drop((place, open));
            }),
            Some(tls) => {
                let acceptor = tls.acceptor();
                tokio::spawn(async move {
                    serve_encrypted(acceptor, stream, peer, &place, router, shared).await;
                    drop((place, open));
                })
            }
        };
        connection.is_served_by(task.abort_handle());
    }
}

async fn serve_encrypted(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    place: &Place,
    router: Router,
    shared: Arc<Shared>,
) {
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)) => handshake,
        () = shared.stop.stopping() => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            place.connection.enter(Phase::Fresh);
            serving::serve(stream, peer, true, place, router, shared).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => shared.limits.bit(Limit::HandshakeTime, peer),
    }
}

/// Whether the connection broke before it was accepted. Such an error says nothing about the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
