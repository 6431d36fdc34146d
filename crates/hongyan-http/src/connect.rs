//! New connections. The caller provides the transport (TCP, TLS, a proxy's tunnel).

use http::Uri;
use hyper::body::Body;
use hyper::client::conn::http1::{self, handshake};
use hyper_rustls::ConfigBuilderExt;
use rustls::ClientConfig;
use tower::{Service, ServiceExt};

use crate::causes::with_causes;
use crate::connection::{BoxError, Connection};
use crate::wire::OnWire;

/// The work of a connection: it writes, reads, and notices the end. A task of its own or [`Connection::driven`] must poll
/// the work.
pub type Work<I, B> = http1::Connection<I, B>;

/// A new connection that is ready for a request, and its work; or in words why there is no connection.
///
/// # Errors
/// When the server cannot be reached, or does not accept the connection.
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

/// The TLS configuration of a client: the roots that browsers trust, no client certificate.
///
/// # Errors
/// When the TLS library has no cipher suites.
pub fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = rustls::crypto::ring::default_provider();
    let config =
        ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions()?;
    Ok(config.with_webpki_roots().with_no_client_auth())
}
