//! New connections: directly, with TLS, or through a proxy's tunnel.

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tower::ServiceExt;

use super::body::RequestBody;
use super::error::{ClientError, with_causes};
use super::target::Target;

/// The handle to one connection: what sends requests on it. Dropping it closes the connection.
pub(super) type Sender = SendRequest<RequestBody>;

/// Makes connections to one target.
pub(super) enum Connector {
    /// To the target itself or to a proxy that is asked for whole addresses.
    Plain(HttpConnector),
    /// To the target, encrypted.
    Tls(HttpsConnector<HttpConnector>),
    /// To the target, encrypted, through a proxy that only sees bytes.
    Tunnelled(HttpsConnector<Tunnel<HttpConnector>>),
}

impl Connector {
    pub(super) fn new(target: &Target) -> Result<Self, ClientError> {
        let mut tcp = HttpConnector::new();
        // A request is written in one piece; waiting for more to write would only delay it.
        tcp.set_nodelay(true);
        // The addresses behind it begin with https:// too.
        tcp.enforce_http(false);
        if !target.is_https {
            return Ok(Self::Plain(tcp));
        }
        let provider = rustls::crypto::ring::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|e| ClientError::Tls(e.to_string()))?
            .with_webpki_roots()
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1();
        Ok(match &target.proxy {
            None => Self::Tls(https.wrap_connector(tcp)),
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.origin.clone(), tcp);
                if let Some(words) = &proxy.authorization {
                    tunnel = tunnel.with_auth(words.clone());
                }
                Self::Tunnelled(https.wrap_connector(tunnel))
            }
        })
    }

    /// A new connection, ready to be written to, or in words why there is none.
    ///
    /// It has a task of its own, which ends when the handle is dropped or the other end hangs up.
    pub(super) async fn connect(&self, target: &Target) -> Result<Sender, String> {
        match self {
            Self::Plain(connector) => {
                let to = target.proxy.as_ref().map_or(&target.origin, |proxy| &proxy.origin).clone();
                start(connector.clone().oneshot(to).await.map_err(|e| with_causes(&e))?).await
            }
            Self::Tls(connector) => {
                start(connector.clone().oneshot(target.origin.clone()).await.map_err(|e| with_causes(&*e))?)
                    .await
            }
            Self::Tunnelled(connector) => {
                start(connector.clone().oneshot(target.origin.clone()).await.map_err(|e| with_causes(&*e))?)
                    .await
            }
        }
    }
}

/// Speaks HTTP/1.1 over what was connected.
async fn start<I>(stream: I) -> Result<Sender, String>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(stream).await.map_err(|e| with_causes(&e))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Whoever waits for an answer on it is told as well; this line is for the one who looks for a pattern.
            tracing::debug!(error = with_causes(&error), "a connection to WeChat ended");
        }
    });
    Ok(sender)
}
