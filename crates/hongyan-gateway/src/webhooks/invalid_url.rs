//! Why a webhook cannot have a URL.

/// The longest URL.
pub const MAX_URL_BYTES: usize = 2_048;

/// Why a webhook cannot have this URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// The text is not a URL.
    #[error("not a URL")]
    Malformed,
    /// The URL is too long.
    #[error("longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// The scheme is not allowed.
    #[error("must begin with https://; the setting webhook_allow_http allows http:// too")]
    NotHttps,
    /// A password would be unencrypted in the database and in answers.
    #[error("must not contain a user or a password; the signature identifies the sender")]
    UserInfo,
    /// The fragment of a URL is never sent.
    #[error("must not have a fragment (#…)")]
    Fragment,
    /// The address is not public.
    #[error("leads to an address that is not public; the setting webhook_allow_private allows it")]
    Private,
}
