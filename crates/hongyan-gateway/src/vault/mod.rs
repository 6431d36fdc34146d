//! Secrets at rest: what the database must not show is sealed here before it is stored.
//!
//! | module | knows |
//! | --- | --- |
//! | `seal` | sealing and opening; the layout of what is sealed |
//! | `bytes` | random bytes and hashes, and how they are written |
//! | [`key_file`] | where the keys come from: settings and files |
//! | [`rotation`] | changing the key: sealing anew what the previous one sealed |

mod bytes;
pub mod key_file;
pub mod rotation;
mod seal;

pub use bytes::{random_token, sha256};
pub use key_file::{
    KEY_FILE, KeySource, PREVIOUS_KEY_FILE, create_private_dir, is_readable_by_group_or_others,
    is_readable_by_others, replace_key,
};
pub use seal::{Purpose, Vault, VaultError};
