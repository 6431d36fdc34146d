//! The HTTP client for back ends and for the callbacks of apps.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How many idle connections to one back end are kept.
const MAX_IDLE_PER_HOST: usize = 32;

/// A client for plain HTTP.
pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// Makes a client; each sandbox has its own.
pub(crate) fn new() -> HttpClient {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(MAX_IDLE_PER_HOST).build_http()
}
