//! What asking for an access token ends in: the token, or why there is none.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, SecretString};

/// An access token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub value: SecretString,
    /// Counts the values that this app has had.
    pub generation: u64,
    /// When it was fetched.
    pub fetched_at: UnixMillis,
    /// When WeChat will stop taking it.
    pub expires_at: UnixMillis,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The app is paused; nothing is fetched until that ends.
    #[error("the app is paused: {detail}")]
    Paused {
        /// Why.
        detail: String,
    },
    /// WeChat refused, for a reason that is not known to be lasting.
    #[error("WeChat refused to give an access token: {errcode} {errmsg}")]
    Refused {
        /// Its errcode.
        errcode: Errcode,
        /// Its words.
        errmsg: String,
    },
    /// It cannot be had now; later perhaps.
    #[error("{0}")]
    Unavailable(String),
}
