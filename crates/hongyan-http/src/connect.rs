//! New connections. What carries them (TCP, TLS, a proxy's tunnel) is the caller's to put together.

use http::Uri;
use hyper::body::Body;
use hyper::client::conn::http1::{self, handshake};
use hyper_rustls::ConfigBuilderExt;
use rustls::ClientConfig;
use tower::{Service, ServiceExt};

use crate::causes::with_causes;
use crate::connection::{BoxError, Connection};
use crate::wire::OnWire;

/// What a connection does: it writes, it reads, and it notices the end. It must be polled, by a task of its own or by
/// [`Connection::driven`].
pub type Work<I, B> = http1::Connection<I, B>;

/// A new connection, ready to be written to, and its work; or in words why there is none.
///
/// # Errors
/// When the other end cannot be reached, or does not take the connection.
pub async fn connect<C, B>(connector: C, to: Uri) -> Result<(Connection<B>, Work<C::Response, B>), String>
where
    C: Service<Uri>,
    C::Response: OnWire + hyper::rt::Read + hyper::rt::Write + Unpin,
    C::Error: Into<BoxError>,
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let stream = connector.oneshot(to).await.map_err(|error| with_causes(&*error.into()))?;
    let wire = stream.wire();
    let (sender, work) = handshake(stream).await.map_err(|error| with_causes(&error))?;
    Ok((Connection::new(sender, wire), work))
}

/// TLS as a client speaks it: the roots that browsers trust, no certificate of our own.
///
/// # Errors
/// When the TLS library has no cipher suites to work with.
pub fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = rustls::crypto::ring::default_provider();
    let config =
        ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions()?;
    Ok(config.with_webpki_roots().with_no_client_auth())
}
