//! The configuration of a client.

use std::fmt;
use std::time::Duration;

use url::Url;

/// How a [`Client`](super::Client) reaches WeChat.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The URL of WeChat: `https://api.weixin.qq.com`, or a sandbox. A path in the URL is put before every call's path.
    pub base_url: Url,
    /// An HTTP proxy, `http://user:password@host:port`. An `https` base URL is reached through a tunnel (`CONNECT`); for
    /// an `http` base URL the proxy gets the whole URL.
    pub proxy: Option<Url>,
    /// The time limit for a new connection, including TLS and the proxy's tunnel.
    pub connect_timeout: Duration,
    /// The time limit for an answer, from the first byte of the request to the last byte of the answer.
    pub answer_timeout: Duration,
    /// A connection that was idle for longer is not used again. The time must be shorter than the server's idle timeout:
    /// a request that crosses the server's close has an unknown outcome.
    pub idle_timeout: Duration,
    /// The most idle connections that are kept.
    pub max_idle: usize,
    /// How long a kept connection must have been seen to stay open before kept connections are used at all: a server that
    /// closes connections after its answers loses requests written meanwhile. Zero disables this.
    pub proof: Duration,
}

impl ClientConfig {
    /// No proxy, and times that suit WeChat: 3 s to connect, 10 s to answer, 15 s idle, 64 kept connections, half a
    /// second until kept connections are used.
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            proxy: None,
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            max_idle: 64,
            proof: Duration::from_millis(500),
        }
    }
}

impl fmt::Debug for ClientConfig {
    /// Prints everything except the proxy's user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = self.proxy.as_ref().map(|p| format!("{}:{:?}", p.host_str().unwrap_or(""), p.port()));
        f.debug_struct("ClientConfig")
            .field("base_url", &self.base_url.as_str())
            .field("proxy", &proxy)
            .field("connect_timeout", &self.connect_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_idle", &self.max_idle)
            .field("proof", &self.proof)
            .finish()
    }
}
