//! Secrets at rest: secrets are sealed (encrypted) here before they are stored in the database.
//!
//! | module | knows |
//! | --- | --- |
//! | `seal` | sealing and opening; the layout of a sealed secret |
//! | `error` | why a sealed secret does not open |
//! | `bytes` | random bytes and hashes, and their text forms |
//! | [`key_file`] | the sources of the keys: settings and files |
//! | [`rotation`] | changing the key: resealing what the previous key sealed |

mod bytes;
mod error;
pub mod key_file;
pub mod rotation;
mod seal;

pub use bytes::{check_token, random_token, sha256};
pub(crate) use bytes::{looks_random, random};
pub use error::VaultError;
pub use key_file::{
    KEY_FILE, KeySource, PREVIOUS_KEY_FILE, create_private_dir, is_readable_by_group_or_others,
    is_readable_by_others, replace_key,
};
pub use seal::{Purpose, Vault};
