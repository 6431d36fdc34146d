//! Why a sealed secret does not open.

/// Why a sealed secret does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Another key sealed the secret.
    #[error(
        "the secret is encrypted with another master key (its id is {sealed}, the current key's id is {own})"
    )]
    OtherKey {
        /// The id of the key that sealed it.
        sealed: String,
        /// The id of the current key.
        own: String,
    },
    /// The secret was changed since it was sealed, or was sealed for another purpose or app.
    #[error("the encrypted secret was changed, or belongs to something else")]
    Damaged,
    /// The bytes are not a sealed secret of a known version.
    #[error("the encrypted secret has a format that this version does not know")]
    Malformed,
}
