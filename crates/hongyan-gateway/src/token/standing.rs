//! How an app's access token stands, for people: since when it is in use, until when, and what keeps it from being fetched.

use hongyan_clock::UnixMillis;

/// How an app's access token stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenStanding {
    /// The token; `None`: no token was fetched with the app's present secret.
    pub(crate) times: Option<TokenTimes>,
    /// Why the last fetch failed, until a fetch may be tried again.
    pub(crate) failure: Option<FetchFailure>,
}

/// When an access token was fetched, and when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "the names are those of the API")]
pub(crate) struct TokenTimes {
    /// When it was fetched.
    pub(crate) fetched_at: UnixMillis,
    /// When WeChat will stop accepting it.
    pub(crate) expires_at: UnixMillis,
    /// When it is refreshed; `None`: the next message fetches a token.
    pub(crate) refresh_at: Option<UnixMillis>,
}

/// Why a token could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchFailure {
    /// In words.
    pub(crate) detail: String,
    /// When it happened.
    pub(crate) since: UnixMillis,
    /// When the next fetch may be tried; `None`: not before an operator acts.
    pub(crate) until: Option<UnixMillis>,
}
