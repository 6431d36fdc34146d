//! What a client is told when it is made.

use std::fmt;
use std::time::Duration;

use url::Url;

/// How a [`Client`](super::Client) reaches WeChat.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where WeChat is: `https://api.weixin.qq.com`, or a sandbox. A path is put before every call's path.
    pub base_url: Url,
    /// An HTTP proxy, `http://user:password@host:port`. An `https` base URL is reached through a tunnel
    /// (`CONNECT`), an `http` one by asking the proxy for the whole address.
    pub proxy: Option<Url>,
    /// How long a new connection may take, TLS and the proxy's tunnel included.
    pub connect_timeout: Duration,
    /// How long an answer may take, from the first byte of the request to the last of the answer.
    pub answer_timeout: Duration,
    /// A kept connection that was idle for longer is not used again. It must be shorter than the time after
    /// which the other end hangs up: a request that crosses a hang-up on the way is one nobody knows about.
    pub idle_timeout: Duration,
    /// How many idle connections are kept at most.
    pub max_idle: usize,
    /// For how long a kept connection must have been seen to stay open before any is used again: a server that hangs up
    /// behind its answers loses what is written meanwhile. Zero: none needs to be.
    pub proof: Duration,
}

impl ClientConfig {
    /// No proxy, and the times that suit WeChat: 3 s to connect, 10 s to answer, 15 s idle, 64 kept connections,
    /// half a second until one is used again.
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
    /// Everything but the proxy's user and password.
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
