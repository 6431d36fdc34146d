//! From where somebody logs in.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::USER_AGENT;

use crate::door::ClientAddress;

/// A browser may send any words. So many bytes of them are kept; those of common browsers have about 150.
const MAX_USER_AGENT_BYTES: usize = 256;

/// The client of a login, for the list of a person's sessions. Nothing is decided by it: a client chooses its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginClient {
    pub(super) address: Option<IpAddr>,
    pub(super) user_agent: Option<String>,
}

impl LoginClient {
    /// The client that sent a request with these headers from this address.
    pub fn new(address: ClientAddress, headers: &HeaderMap) -> Self {
        let user_agent = headers.get(USER_AGENT).and_then(|words| words.to_str().ok());
        Self { address: Some(address.0), user_agent: user_agent.map(cut) }
    }
}

fn cut(words: &str) -> String {
    words[..words.floor_char_boundary(MAX_USER_AGENT_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_words_of_a_browser_are_cut() {
        let client = |words: &[u8]| {
            let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_bytes(words).unwrap())]);
            LoginClient::new(ClientAddress([192, 0, 2, 1].into()), &headers).user_agent
        };
        assert_eq!(client(b"curl/8.5.0").as_deref(), Some("curl/8.5.0"));
        assert_eq!(client(&[b'a'; 300]).unwrap().len(), MAX_USER_AGENT_BYTES);
        assert_eq!(client("鸿雁".as_bytes()), None, "only ASCII is text in a header");
    }
}
