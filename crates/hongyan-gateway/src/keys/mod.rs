//! API keys: who may call `/v1`, and for what.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::{KeyId, names};
use hongyan_store::types::{Actor, KeyRecord};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::AppId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::config::{Invalid, Why};
use crate::problem::Problem;
use crate::secret_cache::{Revocations, SecretCache};
use crate::vault::{random_token, sha256};

/// The prefix of every API key.
pub const KEY_PREFIX: &str = "hyk_";

/// The most keys in the cache.
const REMEMBERED_KEYS: usize = 1024;

/// The last use of a key is stored at most this often: it only shows which keys are in use.
const USE_NOTED_EVERY: Duration = Duration::from_secs(3_600);

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
    /// Read the audit trail.
    Audit,
    /// Serve as the secret of the key's apps at the facade. [`Scope::All`] does not include it: WeChat's API has secrets in
    /// URLs, which end up in logs, so a key for the facade should have no other scope.
    Facade,
    /// Read WeChat's own access tokens. [`Scope::All`] does not include it.
    AccessToken,
    /// List, create and revoke API keys. [`Scope::All`] does not include it.
    Keys,
    /// List, add, change and remove the people who may use the console. [`Scope::All`] does not include it.
    People,
    /// Everything that a back end needs.
    All,
}

names!(Scope {
    Messages: "messages",
    Permits: "permits",
    Apps: "apps",
    Webhooks: "webhooks",
    Audit: "audit",
    Facade: "facade",
    AccessToken: "access_token",
    Keys: "keys",
    People: "people",
    All: "all"
});

impl Scope {
    /// Whether [`Scope::All`] includes this scope. Scopes that give out WeChat's secrets, or create keys, must be named.
    pub const fn is_in_all(self) -> bool {
        !matches!(self, Self::Facade | Self::AccessToken | Self::Keys | Self::People)
    }

    /// Whether a key with these scopes has this scope.
    pub fn is_among(self, scopes: &[String]) -> bool {
        let has = |scope: Self| scopes.iter().any(|name| name == scope.name());
        has(self) || (self.is_in_all() && has(Self::All))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = Why;
    fn from_str(text: &str) -> Result<Self, Why> {
        Self::from_name(text).ok_or_else(|| Why::NoScope(text.to_owned()))
    }
}

/// A key to create.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// A name for people.
    pub name: String,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// The apps that the key is for; `None`: all.
    pub apps: Option<Vec<AppId>>,
    /// When the key stops working; `None`: never.
    pub expires_at: Option<UnixMillis>,
    /// Who creates the key.
    pub created_by: Actor,
}

impl NewKey {
    /// A key that the gateway itself makes, for all apps, which works until it is revoked.
    pub fn new(name: impl Into<String>, scopes: &[Scope]) -> Self {
        Self {
            name: name.into(),
            scopes: scopes.to_vec(),
            apps: None,
            expires_at: None,
            created_by: Actor::SYSTEM,
        }
    }
}

/// The longest name of a key.
const MAX_NAME_CHARS: usize = 64;

/// The name of a key, without white space around it.
///
/// # Errors
/// When the name is empty or too long.
pub(crate) fn checked_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Invalid::new("name", Why::NoKeyName { most: MAX_NAME_CHARS }));
    }
    Ok(name.to_owned())
}

/// Creates a key. The secret is shown to the caller and is not stored; the store has its hash.
///
/// # Errors
/// When the store fails.
pub async fn create_key(
    store: &dyn Store,
    ids: &IdMaker,
    clock: &Clock,
    new: NewKey,
) -> Result<(KeyRecord, SecretString), StoreError> {
    let secret = random_token(KEY_PREFIX);
    let record = add_key(store, ids, clock, new, sha256(secret.expose_secret())).await?;
    Ok((record, secret))
}

/// Stores a key whose hash this is.
///
/// # Errors
/// When the store fails.
pub(crate) async fn add_key(
    store: &dyn Store,
    ids: &IdMaker,
    clock: &Clock,
    new: NewKey,
    hash: [u8; 32],
) -> Result<KeyRecord, StoreError> {
    let now = clock.now();
    let record = KeyRecord {
        id: ids.key(now),
        name: new.name,
        hash,
        scopes: new.scopes.iter().map(ToString::to_string).collect(),
        apps: new.apps,
        created_at: now,
        created_by: Some(new.created_by),
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    store.add_key(record.clone()).await?;
    Ok(record)
}

/// Why a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request has no key.
    Missing,
    /// The key is unknown.
    Unknown,
    /// The key was revoked.
    Revoked,
    /// The key has expired.
    Expired,
    /// The key does not have the scope.
    Scope,
    /// The key has the scope, but not for this app.
    App,
    /// The store failed.
    Unchecked,
}

impl Reason {
    /// The name of the reason in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Scope => "scope",
            Self::App => "app",
            Self::Unchecked => "unchecked",
        }
    }
}

/// The refusal of a key.
#[derive(Debug)]
pub struct Refused {
    /// The reason.
    pub reason: Reason,
    /// The first characters of the key's hash, to find the key by. They reveal nothing about the key.
    pub hash: Option<String>,
    /// The answer to the sender.
    pub problem: Problem,
}

/// Checks keys.
pub struct Keys {
    store: Arc<dyn Store>,
    clock: Clock,
    /// Keys that were valid a moment ago.
    cache: SecretCache<Arc<KeyRecord>>,
}

impl Keys {
    /// The keys in this store. `revocations` signals keys that were revoked.
    pub fn new(store: Arc<dyn Store>, clock: Clock, revocations: Revocations) -> Self {
        Self { store, clock, cache: SecretCache::new(REMEMBERED_KEYS, revocations) }
    }

    /// Accepts `Authorization: Bearer hyk_…` with a key that has the scope. Whether the key is for the app of the call is
    /// checked once the app is known.
    ///
    /// A key is found by its SHA-256. The time of the look-up tells an attacker nothing useful: it depends on the hash, and
    /// nobody can choose texts by the beginning of their hash to come closer to a key.
    ///
    /// # Errors
    /// 401 without a valid key, 403 without the scope, 503 when the store fails.
    pub async fn authorize(&self, headers: &HeaderMap, needed: Scope) -> Result<Arc<KeyRecord>, Refused> {
        let Some(key) = bearer(headers) else {
            let detail = "send an API key, as: Authorization: Bearer hyk_…; `hongyan key create` makes one";
            return Err(Refused {
                reason: Reason::Missing,
                hash: None,
                problem: Problem::unauthorized(detail),
            });
        };
        let hash = sha256(key);
        let refused = |reason, problem| Refused { reason, hash: Some(beginning_of(hash)), problem };
        let found = self.look_up(hash).await.map_err(|error| refused(Reason::Unchecked, error.into()))?;
        let not_known =
            |reason| refused(reason, Problem::unauthorized("this API key is unknown or was revoked"));
        let record = found.ok_or_else(|| not_known(Reason::Unknown))?;
        if record.revoked_at.is_some() {
            return Err(not_known(Reason::Revoked));
        }
        if !record.is_good(self.clock.now()) {
            let detail = "this API key has expired; make another with `hongyan key create`";
            return Err(refused(
                Reason::Expired,
                Problem::new(StatusCode::UNAUTHORIZED, "key_expired", detail),
            ));
        }
        if needed.is_among(&record.scopes) {
            Ok(record)
        } else {
            Err(refused(Reason::Scope, Problem::forbidden(needed)))
        }
    }

    /// The key of a request, if the key is cached, valid and has the scope. Otherwise call [`Self::authorize`].
    pub fn recognize(&self, headers: &HeaderMap, needed: Scope) -> Option<Arc<KeyRecord>> {
        let now = self.clock.now();
        let record = self.cache.get(sha256(bearer(headers)?), now).ok()?;
        (record.is_good(now) && needed.is_among(&record.scopes)).then_some(record)
    }

    /// Whether a key that came to the facade as an app's secret may serve as that secret.
    ///
    /// # Errors
    /// The reason of the refusal; callers of the facade are not told.
    pub async fn authorize_facade(&self, key: &str, appid: &AppId) -> Result<Arc<KeyRecord>, Reason> {
        let record = self.look_up(sha256(key)).await.map_err(|error| {
            tracing::error!(%error, "an API key could not be read from the store");
            Reason::Unchecked
        })?;
        let record = record.ok_or(Reason::Unknown)?;
        if record.revoked_at.is_some() {
            Err(Reason::Revoked)
        } else if !record.is_good(self.clock.now()) {
            Err(Reason::Expired)
        } else if !Scope::Facade.is_among(&record.scopes) {
            Err(Reason::Scope)
        } else if !record.is_for(appid) {
            Err(Reason::App)
        } else {
            Ok(record)
        }
    }

    /// Revokes a key, in this process at once. `false` if there is no such key, or the key is revoked already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, id: KeyId) -> Result<bool, StoreError> {
        let revoked = self.store.revoke_key(id, self.clock.now()).await;
        // Also after an error, because the store may have revoked the key.
        self.cache.forget(|record| record.id == id);
        revoked
    }

    /// The key of this hash, even if it is not valid any more. Only valid keys are cached.
    async fn look_up(&self, hash: [u8; 32]) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let now = self.clock.now();
        let lookup = match self.cache.get(hash, now) {
            Ok(record) => return Ok(Some(record)),
            Err(lookup) => lookup,
        };
        let known = self.store.key(hash).await?.map(Arc::new);
        let good = known.as_ref().filter(|record| record.is_good(now));
        self.cache.answer(&lookup, good);
        if let Some(record) = good {
            self.note_use(record, now);
        }
        Ok(known)
    }

    /// Stores from time to time that a key is in use, outside of the call that uses it.
    fn note_use(&self, record: &KeyRecord, now: UnixMillis) {
        let is_known = |at: UnixMillis| at <= now && now.since(at) < USE_NOTED_EVERY;
        if record.last_used_at.is_some_and(is_known) {
            return;
        }
        let (store, id) = (Arc::clone(&self.store), record.id);
        tokio::spawn(async move {
            if let Err(error) = store.key_used(id, now).await {
                tracing::warn!(%error, "the last use of an API key could not be recorded");
            }
        });
    }
}

/// The first characters of a hash, as in the log.
pub(crate) fn beginning_of(hash: [u8; 32]) -> String {
    hex::encode(&hash[..4])
}

/// The token after `Bearer` in the header `Authorization`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // The scheme's case does not matter (RFC 9110, section 11.1).
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests;
