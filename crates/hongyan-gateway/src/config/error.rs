//! The errors of the configuration. Each error says how to correct it.

use std::path::PathBuf;

use super::place::Place;
use super::why::Why;
use crate::vault::VaultError;

/// Why the configuration cannot be used. The program ends with exit code 78.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: String,
    },
    /// The configuration file is not TOML.
    #[error("{place}: not TOML: {why}")]
    Syntax {
        /// The place of the setting.
        place: Place,
        /// The parser's error.
        why: String,
    },
    /// There is no such setting.
    #[error("{place}: unknown setting {key}{}", suggested(suggestion.as_deref()))]
    Unknown {
        /// The place of the setting.
        place: Place,
        /// The unknown name.
        key: String,
        /// A similar name, if there is one.
        suggestion: Option<String>,
    },
    /// A setting has a value that is not allowed.
    #[error("{place}: {key}: {why}")]
    Value {
        /// The place of the setting.
        place: Place,
        /// The setting.
        key: String,
        /// What the setting takes.
        why: Why,
    },
    /// `database` names something that is not a SQLite file.
    #[error("database: {why}")]
    Database {
        /// What the setting takes.
        why: Why,
    },
    /// Only one of `console_user_header` and `console_user_header_from` is set.
    #[error("console_user_header and console_user_header_from go together: set both or none")]
    UserHeader,
    /// TLS cannot be used.
    #[error("TLS: {why}")]
    Tls {
        /// What is wrong, and what to do.
        why: Why,
    },
    /// The master key cannot be used.
    #[error("the master key: {why}")]
    MasterKey {
        /// What is wrong, and what to do.
        why: Why,
    },
    /// The database holds secrets, and the master key that encrypted them is missing. The gateway makes no new key: a new
    /// key could not decrypt the secrets, and would be in the place of the right key.
    #[error(
        "the database holds secrets, and there is no master key: put the key that encrypted them at {}, or set \
         master_key or master_key_file",
        path.display()
    )]
    NoMasterKey {
        /// The path of the missing key.
        path: PathBuf,
    },
    /// A stored secret cannot be decrypted with this master key.
    #[error(
        "the secret of the app {appid} cannot be decrypted: {why}; start with the master key that encrypted it, or set that \
         key as master_key_previous"
    )]
    Sealed {
        /// The first app whose secret cannot be decrypted.
        appid: String,
        /// The vault's error.
        why: VaultError,
    },
}

fn suggested(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}
