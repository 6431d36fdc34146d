//! From where somebody logs in.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::header::USER_AGENT;
use http::request::Parts;

use crate::door::ClientAddress;

/// A browser may send any words. So many bytes of them are kept; those of common browsers have about 150.
const MAX_USER_AGENT_BYTES: usize = 256;

/// The client that sent a request, for the list of a person's sessions. Nothing is decided by it: a client chooses its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginClient {
    pub(super) address: Option<IpAddr>,
    pub(super) user_agent: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for LoginClient {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get().map(|ClientAddress(address)| *address);
        let user_agent = parts.headers.get(USER_AGENT).and_then(|words| words.to_str().ok());
        Ok(Self { address, user_agent: user_agent.map(cut) })
    }
}

fn cut(words: &str) -> String {
    words[..words.floor_char_boundary(MAX_USER_AGENT_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    #[tokio::test]
    async fn the_words_of_a_browser_are_cut() {
        let client = async |words: &[u8]| {
            let (mut parts, ()) = Request::new(()).into_parts();
            parts.headers.insert(USER_AGENT, HeaderValue::from_bytes(words).unwrap());
            let Ok(client) = LoginClient::from_request_parts(&mut parts, &()).await;
            client.user_agent
        };
        assert_eq!(client(b"curl/8.5.0").await.as_deref(), Some("curl/8.5.0"));
        assert_eq!(client(&[b'a'; 300]).await.unwrap().len(), MAX_USER_AGENT_BYTES);
        assert_eq!(client("鸿雁".as_bytes()).await, None, "only ASCII is text in a header");
    }
}
