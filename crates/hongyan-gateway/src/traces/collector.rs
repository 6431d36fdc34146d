//! Requests to the collector, on connections like those to webhooks.

use async_trait::async_trait;
use bytes::Bytes;
use hongyan_http::with_causes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};

/// The longest answer that is read. A collector answers with a few bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1_024;

/// The client of the exporter. It must be used inside the runtime.
#[derive(Debug, Clone)]
pub(super) struct Collector(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Collector {
    pub(super) fn new() -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(hongyan_http::tls().map_err(|error| error.to_string())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The exporter itself only says that the network failed.
        let answer = self.0.request(request.map(Full::new)).await.inspect_err(|error| {
            tracing::debug!(error = with_causes(error), "the collector of traces cannot be reached");
        });
        let (head, body) = answer?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}
