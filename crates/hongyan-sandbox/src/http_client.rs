//! The client by which the sandbox asks others: back ends, and the callbacks of apps.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// So many connections to one back end are kept for the next request.
const MAX_IDLE_PER_HOST: usize = 32;

/// Asks back ends over plain HTTP.
pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// A client of its own for each sandbox.
pub(crate) fn new() -> HttpClient {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(MAX_IDLE_PER_HOST).build_http()
}
