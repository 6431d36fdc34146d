//! Why there is no answer, said so that the caller knows what may have happened.

use std::fmt;

use crate::Errcode;

/// Why a [`Client`](super::Client) cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The base URL cannot be used.
    #[error("WeChat's base URL: {0}")]
    BaseUrl(&'static str),
    /// The proxy's URL cannot be used.
    #[error("the proxy's URL: {0}")]
    Proxy(&'static str),
    /// The TLS library has no cipher suites to work with.
    #[error("TLS: {0}")]
    Tls(String),
}

/// Why there is no answer of WeChat's. The texts are for people; they hold no token and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing of the request was written: WeChat cannot have seen it, and repeating it is safe.
    NotSent(String),
    /// The request was written, at least in part, and nobody knows whether it was carried out. That also is so
    /// when there was an answer which is not WeChat's: another HTTP status than 200, or no JSON with an errcode.
    Unanswered(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "the request was not sent: {why}"),
            Self::Unanswered(why) => write!(f, "the request was sent, but not answered by WeChat: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// WeChat answered, and refused.
    #[error("WeChat refused: {errcode} {errmsg}")]
    Refused {
        /// The verdict.
        errcode: Errcode,
        /// The verdict in WeChat's words.
        errmsg: String,
        /// WeChat's name of the request.
        rid: Option<String>,
    },
    /// WeChat did not answer.
    #[error(transparent)]
    Failed(#[from] Failure),
}
