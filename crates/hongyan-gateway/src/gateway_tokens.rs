//! Gateway tokens: what the facade hands out in the place of WeChat's access token, checks, lists and revokes.
//!
//! The token itself is nowhere kept; the store has its hash.

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

/// What every gateway token begins with.
pub const TOKEN_PREFIX: &str = "hyt_";

/// How long a gateway token works: WeChat's own number, which SDKs know.
pub const LIFETIME: Duration = Duration::from_secs(7_200);

/// How much longer it is honoured than it is said to be, as WeChat honours a replaced token: clocks differ, and a
/// request may be on its way.
const GRACE: Duration = Duration::from_secs(300);

/// How many tokens are remembered at most.
const REMEMBERED_TOKENS: usize = 4_096;

/// When a token was last used is stored no more often than this.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);

/// The most tokens of an app that a list shows, newest first.
pub const LISTED: u32 = 1_000;

/// Longest name of a service.
pub const MAX_SERVICE_CHARS: usize = 64;

/// Hands out and checks gateway tokens.
pub struct GatewayTokens {
    store: Arc<dyn Store>,
    clock: Clock,
    ids: Arc<IdMaker>,
    /// Tokens that were good a moment ago.
    cache: SecretCache<Good>,
}

/// A token that works until its end.
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

    /// A new token for an app, for whoever brought this API key or else the app's gateway secret. The others of the app stay as they are.
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
            // What a key opens ends with the key.
            expires_at: key.and_then(|key| key.expires_at).map_or(usual, |end| end.min(usual)),
            last_used_at: None,
            key: key.map(|key| key.id),
        };
        self.store.put_gateway_token(record).await?;
        Ok(token)
    }

    /// The app that a token stands for; `None` if it is unknown, revoked or over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn check(&self, token: &str) -> Result<Option<AppId>, StoreError> {
        let (hash, now) = (sha256(token), self.clock.now());
        let lookup = match self.cache.get(hash, now) {
            Ok(good) => return Ok((now < good.expires_at).then_some(good.appid)),
            Err(lookup) => lookup,
        };
        let Some(record) = self.store.gateway_token(hash, now).await? else {
            self.cache.answer(&lookup, None);
            return Ok(None);
        };
        self.note_use(&record, now);
        let GatewayTokenRecord { id, appid, expires_at, key, .. } = record;
        self.cache.answer(&lookup, Some(&Good { id, appid: appid.clone(), expires_at, key }));
        Ok(Some(appid))
    }

    /// The tokens of an app that work, newest first, at most [`LISTED`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, appid: &AppId) -> Result<Vec<GatewayTokenRecord>, StoreError> {
        self.store.gateway_tokens(appid.clone(), self.clock.now(), LISTED).await
    }

    /// Revokes one token of an app, or without an id all; in this process at once. How many there were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, appid: &AppId, id: Option<TokenId>) -> Result<u64, StoreError> {
        let revoked = self.store.revoke_gateway_tokens(appid.clone(), id, self.clock.now()).await;
        // Also after an error: the store may have done it.
        self.forget(appid, id);
        revoked
    }

    /// Looks these tokens up anew when they are seen next.
    pub fn forget(&self, appid: &AppId, id: Option<TokenId>) {
        self.cache.forget(|token| token.appid == *appid && id.is_none_or(|id| token.id == id));
    }

    /// The same for those that were handed out to a key.
    pub fn forget_key(&self, key: KeyId) {
        self.cache.forget(|token| token.key == Some(key));
    }

    /// Stores that a token is in use, now and then, beside the call that uses it.
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
