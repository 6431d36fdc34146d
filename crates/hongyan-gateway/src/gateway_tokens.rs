//! Gateway tokens: the facade issues them instead of WeChat's access tokens, checks, lists and revokes them.
//!
//! The token itself is not stored; the store has its hash.

use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::{KeyId, TokenId};
use hongyan_store::types::{GatewayTokenRecord, KeyRecord};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::AppId;
use secrecy::{ExposeSecret, SecretString};

use crate::secret_cache::{Revocations, SecretCache};
use crate::vault::{random_token, sha256};

/// The prefix of every gateway token.
pub const TOKEN_PREFIX: &str = "hyt_";

/// The lifetime of a gateway token: the lifetime of WeChat's tokens, which SDKs expect.
pub const LIFETIME: Duration = Duration::from_secs(7_200);

/// How much longer a token is accepted than announced, as WeChat accepts a replaced token: clocks differ, and a request may
/// be on its way.
const GRACE: Duration = Duration::from_secs(300);

/// The most tokens in the cache.
const REMEMBERED_TOKENS: usize = 4_096;

/// The last use of a token is stored at most this often.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);

/// The most tokens of an app in a list, newest first.
pub const LISTED: u32 = 1_000;

/// The longest name of a service.
pub const MAX_SERVICE_CHARS: usize = 64;

/// Issues and checks gateway tokens.
pub struct GatewayTokens {
    store: Arc<dyn Store>,
    clock: Clock,
    ids: Arc<IdMaker>,
    /// Tokens that were valid a moment ago.
    cache: SecretCache<Good>,
}

/// A token that is valid until its end.
#[derive(Clone)]
struct Good {
    id: TokenId,
    appid: AppId,
    expires_at: UnixMillis,
    key: Option<KeyId>,
}

impl GatewayTokens {
    /// The tokens in this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock, ids: Arc<IdMaker>, revocations: Revocations) -> Self {
        Self { store, clock, ids, cache: SecretCache::new(REMEMBERED_TOKENS, revocations) }
    }

    /// Issues a token for an app, to the caller with this API key, or else with the app's gateway secret. The other tokens
    /// of the app stay valid.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn hand_out(
        &self,
        appid: &AppId,
        service: Option<String>,
        key: Option<&KeyRecord>,
    ) -> Result<SecretString, StoreError> {
        let token = random_token(TOKEN_PREFIX);
        let now = self.clock.now();
        let usual = now.plus(LIFETIME + GRACE);
        let record = GatewayTokenRecord {
            id: self.ids.token(now),
            hash: sha256(token.expose_secret()),
            appid: appid.clone(),
            service,
            created_at: now,
            // A token must not outlive the key that it was issued to.
            expires_at: key.and_then(|key| key.expires_at).map_or(usual, |end| end.min(usual)),
            last_used_at: None,
            key: key.map(|key| key.id),
        };
        self.store.put_gateway_token(record).await?;
        Ok(token)
    }

    /// The app of a token, and the API key that it was issued to, if it was issued to a key. `None` if the token is unknown,
    /// revoked or expired.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn check(&self, token: &str) -> Result<Option<(AppId, Option<KeyId>)>, StoreError> {
        let (hash, now) = (sha256(token), self.clock.now());
        let lookup = match self.cache.get(hash, now) {
            Ok(good) => return Ok((now < good.expires_at).then_some((good.appid, good.key))),
            Err(lookup) => lookup,
        };
        let Some(record) = self.store.gateway_token(hash, now).await? else {
            self.cache.answer(&lookup, None);
            return Ok(None);
        };
        self.note_use(&record, now);
        let GatewayTokenRecord { id, appid, expires_at, key, .. } = record;
        self.cache.answer(&lookup, Some(&Good { id, appid: appid.clone(), expires_at, key }));
        Ok(Some((appid, key)))
    }

    /// The valid tokens of an app, newest first, at most [`LISTED`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, appid: &AppId) -> Result<Vec<GatewayTokenRecord>, StoreError> {
        self.store.gateway_tokens(appid.clone(), self.clock.now(), LISTED).await
    }

    /// Revokes one token of an app, or all tokens of the app without an id; in this process at once. Returns how many were
    /// revoked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, appid: &AppId, id: Option<TokenId>) -> Result<u64, StoreError> {
        let revoked = self.store.revoke_gateway_tokens(appid.clone(), id, self.clock.now()).await;
        // Also after an error, because the store may have revoked the token.
        self.forget(appid, id);
        revoked
    }

    /// Removes these tokens from the cache, so that their next use reads the store.
    pub fn forget(&self, appid: &AppId, id: Option<TokenId>) {
        self.cache.forget(|token| token.appid == *appid && id.is_none_or(|id| token.id == id));
    }

    /// Removes the tokens that were issued to a key from the cache.
    pub fn forget_key(&self, key: KeyId) {
        self.cache.forget(|token| token.key == Some(key));
    }

    /// Stores from time to time that a token is in use, outside of the call that uses it.
    fn note_use(&self, record: &GatewayTokenRecord, now: UnixMillis) {
        let is_known = |at: UnixMillis| at <= now && now.since(at) < USE_NOTED_EVERY;
        if record.last_used_at.is_some_and(is_known) {
            return;
        }
        let (store, hash) = (Arc::clone(&self.store), record.hash);
        tokio::spawn(async move {
            if let Err(error) = store.gateway_token_used(hash, now).await {
                tracing::warn!(%error, "the last use of a gateway token could not be recorded");
            }
        });
    }
}
