//! The result of asking for an access token: the token, or why there is no token.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, SecretString};

/// An access token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub value: SecretString,
    /// The number of values that this app has had.
    pub generation: u64,
    /// When it was fetched.
    pub fetched_at: UnixMillis,
    /// When WeChat will stop accepting the token.
    pub expires_at: UnixMillis,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The app is paused; no token is fetched until the pause ends.
    #[error("the app is paused: {detail}")]
    Paused {
        /// Why.
        detail: String,
    },
    /// WeChat refused, for a reason that may be temporary.
    #[error("WeChat refused to give an access token: {errcode} {errmsg}")]
    Refused {
        /// WeChat's errcode.
        errcode: Errcode,
        /// WeChat's text.
        errmsg: String,
    },
    /// No token can be fetched now; a later fetch may succeed.
    #[error("{0}")]
    Unavailable(String),
}
