//! Why there is no answer. The errors tell the caller what may have happened.

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
    /// The TLS library has no cipher suites.
    #[error("TLS: {0}")]
    Tls(String),
}

/// Why WeChat gave no answer. The texts are for people; they contain no token and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing of the request was written: WeChat cannot have seen the request, and a repeat is safe.
    NotSent(String),
    /// The request was written, at least in part, and may have been carried out. This is also the error for an answer
    /// that is not WeChat's: a status other than 200, or no JSON with an errcode.
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

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// WeChat refused the call.
    #[error("WeChat refused: {errcode} {errmsg}")]
    Refused {
        /// The result code.
        errcode: Errcode,
        /// WeChat's text for the result code.
        errmsg: String,
        /// WeChat's id of the request.
        rid: Option<String>,
    },
    /// WeChat did not answer.
    #[error(transparent)]
    Failed(#[from] Failure),
}
