//! Writes a secret to JSON.
//!
//! [`SecretString`] cannot be serialised by accident. The few wire types with a secret opt in for each field with
//! `#[serde(with = "crate::secret")]`; printing them still shows nothing.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// `text` without `secret`, in case a server repeats the secret. The text goes into errors and logs.
pub(crate) fn redact(text: &str, secret: &SecretString) -> String {
    let secret = secret.expose_secret();
    // A "secret" of a few characters protects nothing, and removing it would hide ordinary words.
    if secret.len() < 6 { text.to_owned() } else { text.replace(secret, "***") }
}
