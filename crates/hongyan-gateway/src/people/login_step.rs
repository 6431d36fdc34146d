//! The time between the right password and the code.
//!
//! A browser carries a sealed note that the password was right, so nothing is stored and any node of a store can go on. The
//! note alone opens nothing: a code must come with it, and a code is good once.

use hongyan_clock::UnixMillis;
use hongyan_store::types::PersonRecord;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::vault::{Purpose, Vault, sha256};

/// The owner in the associated data. The person is inside the note.
const OWNER: &str = "console";

/// A note that a person has given the right password.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LoginStep {
    pub(super) name: String,
    until: UnixMillis,
    /// SHA-256 of the stored hash, in hexadecimal: another password makes the note void.
    password: String,
}

impl LoginStep {
    pub(super) fn new(person: &PersonRecord, until: UnixMillis) -> Self {
        Self { name: person.name.clone(), until, password: hex::encode(sha256(&person.password)) }
    }

    pub(super) fn seal(&self, vault: &Vault) -> SecretString {
        let text = serde_json::to_string(self).expect("a struct of texts and numbers is JSON");
        hex::encode(vault.seal_of(Purpose::LoginStep, OWNER, &text.into())).into()
    }

    /// The note, if this gateway has sealed it and it is not too old.
    pub(super) fn open(vault: &Vault, note: &SecretString, now: UnixMillis) -> Option<Self> {
        let sealed = hex::decode(note.expose_secret()).ok()?;
        let text = vault.open_of(Purpose::LoginStep, OWNER, &sealed).ok()?;
        let step: Self = serde_json::from_str(text.expose_secret()).ok()?;
        (now < step.until).then_some(step)
    }

    /// Whether the person still has the password that was right.
    pub(super) fn is_of(&self, person: &PersonRecord) -> bool {
        hex::encode(sha256(&person.password)) == self.password
    }
}
