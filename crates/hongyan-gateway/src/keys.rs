//! API keys: who may call `/v1`, and what with.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use hongyan_clock::Clock;
use hongyan_ledger::KeyId;
use hongyan_ledger::ids::IdMaker;
use hongyan_store::types::KeyRecord;
use hongyan_store::{Store, StoreError};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::remembered::Remembered;
use crate::vault::{random_token, sha256};

/// What every API key begins with.
pub const KEY_PREFIX: &str = "hyk_";

/// How many keys are remembered at most.
const REMEMBERED_KEYS: usize = 1024;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Send, read and cancel messages.
    Messages,
    /// Permits, reach and logins.
    Permits,
    /// Register, change and remove apps.
    Apps,
    /// Set up, change and remove webhooks.
    Webhooks,
    /// Use the facade on behalf of any app.
    Facade,
    /// See WeChat's own access tokens. [`Scope::All`] does not include it.
    AccessToken,
    /// Everything but [`Scope::AccessToken`].
    All,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] = [
        Self::Messages,
        Self::Permits,
        Self::Apps,
        Self::Webhooks,
        Self::Facade,
        Self::AccessToken,
        Self::All,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Permits => "permits",
            Self::Apps => "apps",
            Self::Webhooks => "webhooks",
            Self::Facade => "facade",
            Self::AccessToken => "access_token",
            Self::All => "all",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {0:?}; there are messages, permits, apps, webhooks, facade, access_token and all")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// Makes a key. The secret is shown to whoever asked and is nowhere kept; the store has its hash.
///
/// # Errors
/// When the store fails.
pub async fn create_key(
    store: &dyn Store,
    ids: &IdMaker,
    clock: &Clock,
    name: &str,
    scopes: &[Scope],
) -> Result<(KeyRecord, SecretString), StoreError> {
    let secret = random_token(KEY_PREFIX);
    let now = clock.now();
    let record = KeyRecord {
        id: ids.key(now),
        name: name.to_owned(),
        hash: sha256(secret.expose_secret()),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        created_at: now,
        revoked_at: None,
    };
    store.add_key(record.clone()).await?;
    Ok((record, secret))
}

/// Checks keys.
pub struct Keys {
    store: Arc<dyn Store>,
    clock: Clock,
    /// Keys that were good a moment ago.
    remembered: Remembered<Arc<KeyRecord>>,
}

impl Keys {
    /// The keys in this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { store, clock, remembered: Remembered::new(REMEMBERED_KEYS) }
    }

    /// Lets in whoever sends `Authorization: Bearer hyk_…` with a key that has the scope.
    ///
    /// Keys are compared by looking their SHA-256 up. How long that takes tells a guesser nothing useful: it
    /// depends on the hash, and nobody can choose a text by what its hash begins with and come closer to a key.
    ///
    /// # Errors
    /// 401 without a good key, 403 without the scope, 503 when the store fails.
    pub async fn authorize(&self, headers: &HeaderMap, needed: Scope) -> Result<Arc<KeyRecord>, Problem> {
        let key = bearer(headers).ok_or_else(|| {
            Problem::unauthorized(
                "send an API key, as: Authorization: Bearer hyk_…; `hongyan key create` makes one",
            )
        })?;
        self.authorize_key(key, needed).await
    }

    /// The same for a key that came by another way than the header.
    ///
    /// # Errors
    /// As [`Keys::authorize`].
    pub async fn authorize_key(&self, key: &str, needed: Scope) -> Result<Arc<KeyRecord>, Problem> {
        let record = self.look_up(sha256(key)).await?;
        let has = |scope: Scope| record.scopes.iter().any(|name| name == scope.name());
        // A credential that leaves the gateway is asked for by name.
        if has(needed) || (has(Scope::All) && needed != Scope::AccessToken) {
            Ok(record)
        } else {
            Err(Problem::forbidden(needed))
        }
    }

    /// Revokes a key; in this process at once. `false` if there is none, or it is revoked already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, id: KeyId) -> Result<bool, StoreError> {
        let revoked = self.store.revoke_key(id, self.clock.now()).await;
        // Also after an error: the store may have done it.
        self.remembered.forget(|record| record.id == id);
        revoked
    }

    async fn look_up(&self, hash: [u8; 32]) -> Result<Arc<KeyRecord>, Problem> {
        let question = match self.remembered.get(hash, self.clock.now()) {
            Ok(record) => return Ok(record),
            Err(question) => question,
        };
        let known = self.store.key(hash).await?.filter(|record| record.revoked_at.is_none()).map(Arc::new);
        self.remembered.answer(&question, known.as_ref());
        known.ok_or_else(|| Problem::unauthorized("this API key is not known, or was revoked"))
    }
}

/// What stands after `Bearer` in the header `Authorization`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // The scheme's case does not matter (RFC 9110, section 11.1).
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests;
