//! New connections: directly, with TLS, or through a proxy's tunnel.

use std::sync::Arc;

use hongyan_http::{Connection, Habit, OnWire, Watching, connect, tls, with_causes};
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tower::Service;

use super::body::{BoxError, RequestBody};
use super::error::ClientError;
use super::target::Target;

type Tcp = Watching<HttpConnector>;

/// Makes connections to one target.
pub(super) enum Connector {
    /// Directly to the target, or to a proxy that gets whole URLs.
    Plain(Tcp),
    /// To the target, with TLS.
    Tls(HttpsConnector<Tcp>),
    /// To the target with TLS, through a proxy's tunnel.
    Tunnelled(HttpsConnector<Tunnel<Tcp>>),
}

impl Connector {
    pub(super) fn new(target: &Target, habit: &Arc<Habit>) -> Result<Self, ClientError> {
        let mut tcp = HttpConnector::new();
        // A request is written in one piece; Nagle's algorithm would only delay it.
        tcp.set_nodelay(true);
        // With TLS the URLs begin with https://.
        tcp.enforce_http(false);
        let tcp = Watching::new(tcp, Arc::clone(habit));
        if !target.is_https {
            return Ok(Self::Plain(tcp));
        }
        let tls = tls().map_err(|e| ClientError::Tls(e.to_string()))?;
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

    /// Makes a new connection, or says in words why it cannot.
    pub(super) async fn connect(&self, target: &Target) -> Result<Connection<RequestBody>, String> {
        match self {
            Self::Plain(connector) => {
                let to = target.proxy.as_ref().map_or(&target.origin, |proxy| &proxy.origin);
                start(connector.clone(), to).await
            }
            Self::Tls(connector) => start(connector.clone(), &target.origin).await,
            Self::Tunnelled(connector) => start(connector.clone(), &target.origin).await,
        }
    }
}

/// Connects. The connection runs in its own task, which ends when the handle is dropped or the server closes the
/// connection.
async fn start<C>(connector: C, to: &Uri) -> Result<Connection<RequestBody>, String>
where
    C: Service<Uri>,
    C::Response: OnWire + hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
{
    let (connection, work) = connect(connector, to.clone()).await?;
    tokio::spawn(async move {
        if let Err(error) = work.await {
            // A waiting request gets this error too; the log line is for people who look for a pattern.
            tracing::debug!(error = with_causes(&error), "a connection to WeChat ended");
        }
    });
    Ok(connection)
}
