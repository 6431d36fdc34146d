//! New connections: directly, with TLS, or through a proxy's tunnel.

use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use tower::ServiceExt;

use super::body::RequestBody;
use super::error::{ClientError, with_causes};
use super::habit::Habit;
use super::target::Target;
use super::wire::{Watched, Watching, Wire};

/// The handle to one connection: what sends requests on it. Dropping it closes the connection.
pub(super) type Sender = SendRequest<RequestBody>;

/// A connection to WeChat.
pub(super) struct Connection {
    pub(super) sender: Sender,
    /// The stream below.
    pub(super) wire: Arc<Wire>,
    /// For how long it was idle, if it was kept; `None`: it is new.
    pub(super) rested: Option<Duration>,
}

/// Makes connections to one target.
pub(super) enum Connector {
    /// To the target itself or to a proxy that is asked for whole addresses.
    Plain(Watching),
    /// To the target, encrypted.
    Tls(HttpsConnector<Watching>),
    /// To the target, encrypted, through a proxy that only sees bytes.
    Tunnelled(HttpsConnector<Tunnel<Watching>>),
}

impl Connector {
    pub(super) fn new(target: &Target, habit: &Arc<Habit>) -> Result<Self, ClientError> {
        let mut tcp = HttpConnector::new();
        // A request is written in one piece; waiting for more to write would only delay it.
        tcp.set_nodelay(true);
        // The addresses behind it begin with https:// too.
        tcp.enforce_http(false);
        let tcp = Watching::new(tcp, Arc::clone(habit));
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
    pub(super) async fn connect(&self, target: &Target) -> Result<Connection, String> {
        match self {
            Self::Plain(connector) => {
                let to = target.proxy.as_ref().map_or(&target.origin, |proxy| &proxy.origin).clone();
                let stream = connector.clone().oneshot(to).await.map_err(|e| with_causes(&e))?;
                let wire = stream.inner().wire();
                start(stream, wire).await
            }
            Self::Tls(connector) => {
                let connecting = connector.clone().oneshot(target.origin.clone());
                start_tls(connecting.await.map_err(|e| with_causes(&*e))?).await
            }
            Self::Tunnelled(connector) => {
                let connecting = connector.clone().oneshot(target.origin.clone());
                start_tls(connecting.await.map_err(|e| with_causes(&*e))?).await
            }
        }
    }
}

async fn start_tls(stream: MaybeHttpsStream<TokioIo<Watched>>) -> Result<Connection, String> {
    let wire = match &stream {
        MaybeHttpsStream::Http(tcp) => tcp.inner().wire(),
        MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner().wire(),
    };
    start(stream, wire).await
}

/// Speaks HTTP/1.1 over what was connected.
async fn start<I>(stream: I, wire: Arc<Wire>) -> Result<Connection, String>
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
    Ok(Connection { sender, wire, rested: None })
}
