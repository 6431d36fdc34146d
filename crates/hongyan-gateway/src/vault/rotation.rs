//! Changes the master key: reseals the values of the previous key, table by table, while a gateway may be running.
//!
//! A value is replaced only if it is still the value that was read, so a concurrent change is never undone. The walk is
//! repeated until it finds nothing to do, because a value may move from a table ahead of the walk to a table behind it.
//! After a kill, the next run starts again and finds the rest.

use std::collections::BTreeMap;
use std::time::Instant;

use hongyan_store::types::{Reseal, SealedKind, SealedOwner, SealedValue};
use hongyan_store::{Store, StoreError};

use super::{Purpose, Vault, VaultError};

/// The number of values in a step. A running gateway waits for at most one step.
const AT_A_TIME: u32 = 256;

/// After this many walks that each found values, some process still seals with the previous key.
const MOST_WALKS: u32 = 10;

/// The number of values of each kind.
pub type Counts = BTreeMap<SealedKind, u64>;

/// The result of a change of the master key.
#[derive(Debug, Default)]
pub struct Rotated {
    /// Values that were resealed.
    pub resealed: Counts,
    /// Values that none of the keys opens. They are unchanged.
    pub unopened: Counts,
    /// Whether a complete walk found no value of the previous key.
    pub is_complete: bool,
}

/// Reseals every value that the previous key opens.
///
/// # Errors
/// When the store fails. Values that were resealed stay so; run it again.
pub async fn rotate(store: &dyn Store, vault: &Vault) -> Result<Rotated, StoreError> {
    let mut rotated = Rotated::default();
    for _ in 0..MOST_WALKS {
        let mut found = 0;
        rotated.unopened.clear();
        for kind in SealedKind::ALL {
            let mut behind = None;
            loop {
                let began = Instant::now();
                let page = store.sealed(kind, behind, AT_A_TIME).await?;
                let mut changes = Vec::new();
                for value in page.values {
                    match vault.resealed(&value) {
                        Ok(None) => {}
                        Ok(Some(sealed)) => changes.push(Reseal { was: value, sealed }),
                        Err(_) => *rotated.unopened.entry(kind).or_default() += 1,
                    }
                }
                if !changes.is_empty() {
                    found += changes.len();
                    *rotated.resealed.entry(kind).or_default() += u64::from(store.reseal(changes).await?);
                    // Leave half of the time to the gateway.
                    tokio::time::sleep(began.elapsed()).await;
                }
                behind = page.next;
                if behind.is_none() {
                    break;
                }
            }
        }
        if found == 0 {
            rotated.is_complete = true;
            break;
        }
    }
    rotated.resealed.retain(|_, count| *count > 0);
    Ok(rotated)
}

/// The number of values that the previous key sealed.
///
/// # Errors
/// When the store fails.
pub async fn sealed_with_the_previous_key(store: &dyn Store, vault: &Vault) -> Result<u64, StoreError> {
    let mut count = 0;
    for kind in SealedKind::ALL {
        let mut behind = None;
        loop {
            let page = store.sealed(kind, behind, AT_A_TIME).await?;
            count += page.values.iter().filter(|value| vault.is_previous(&value.sealed)).count() as u64;
            behind = page.next;
            if behind.is_none() {
                break;
            }
        }
    }
    Ok(count)
}

const fn purpose(kind: SealedKind) -> Purpose {
    match kind {
        SealedKind::AppSecret => Purpose::AppSecret,
        SealedKind::CallbackToken => Purpose::CallbackToken,
        SealedKind::CallbackAesKey => Purpose::CallbackAesKey,
        SealedKind::AccessToken => Purpose::AccessToken,
        SealedKind::SessionKey | SealedKind::PreviousSessionKey => Purpose::SessionKey,
        SealedKind::WebhookSecret | SealedKind::PreviousWebhookSecret => Purpose::WebhookSecret,
        SealedKind::Totp => Purpose::Totp,
    }
}

impl Vault {
    /// The same secret under the current key; `None` if the current key sealed it already.
    fn resealed(&self, value: &SealedValue) -> Result<Option<Vec<u8>>, VaultError> {
        let sealed = &value.sealed;
        if self.is_current(sealed) {
            return Ok(None);
        }
        let purpose = purpose(value.kind);
        Ok(Some(match &value.owner {
            SealedOwner::App(appid) => self.seal(purpose, appid, &self.open_sealed(purpose, appid, sealed)?),
            SealedOwner::User(appid, openid) => {
                self.seal_session_key(appid, openid, &self.open_session_key(appid, openid, sealed)?)
            }
            SealedOwner::Webhook(id) => self.resealed_of(purpose, &id.to_string(), sealed)?,
            SealedOwner::Person(id) => self.resealed_of(purpose, &id.to_string(), sealed)?,
        }))
    }

    fn resealed_of(&self, purpose: Purpose, owner: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(self.seal_of(purpose, owner, &self.open_of(purpose, owner, sealed)?))
    }
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;
    use hongyan_store::sqlite::{SqliteConfig, SqliteStore};
    use hongyan_store::types::{AppRecord, LoginRecord};
    use hongyan_wechat::{AppId, OpenId};
    use secrecy::{ExposeSecret, SecretString};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn appid() -> AppId {
        "wx1".parse().unwrap()
    }

    fn openid(number: u32) -> OpenId {
        format!("o{number}").parse().unwrap()
    }

    /// Users with a key each, some of them sealed in the older form.
    async fn users(store: &SqliteStore, vault: &Vault, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let key = SecretString::from(format!("key {number}"));
            let session_key = if number % 10 == 0 {
                vault.seal(Purpose::SessionKey, &appid(), &key)
            } else {
                vault.seal_session_key(&appid(), &openid(number), &key)
            };
            let mut session_hash = [0; 32];
            session_hash[..4].copy_from_slice(&number.to_be_bytes());
            let login = LoginRecord {
                appid: appid(),
                openid: openid(number),
                unionid: None,
                session_key,
                session_hash,
                at: NOW,
                expires_at: UnixMillis(NOW.0 + 60_000),
            };
            store.put_login(login).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_rotation_that_was_killed_goes_on_and_every_secret_opens_with_the_new_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.path().join("h.db"))).unwrap();
        let old = Vault::from_key([1; 32]);
        let both = Vault::from_key([2; 32]).with_previous([1; 32]).unwrap();
        let secret = old.seal(Purpose::AppSecret, &appid(), &SecretString::from("app"));
        assert!(store.add_app(AppRecord::new(appid(), secret, [0; 32], NOW)).await.unwrap());
        users(&store, &old, 0..600).await;
        assert_eq!(sealed_with_the_previous_key(&store, &both).await.unwrap(), 601);

        // The store fails in the middle, as if the process were killed.
        let first = store.sealed(SealedKind::SessionKey, None, AT_A_TIME).await.unwrap();
        let changes: Vec<_> = first
            .values
            .into_iter()
            .map(|was| Reseal { sealed: both.resealed(&was).unwrap().unwrap(), was })
            .collect();
        assert_eq!(store.reseal(changes).await.unwrap(), AT_A_TIME);
        let left = 601 - u64::from(AT_A_TIME);
        assert_eq!(sealed_with_the_previous_key(&store, &both).await.unwrap(), left);
        store.close().await;
        let store = SqliteStore::open(SqliteConfig::new(dir.path().join("h.db"))).unwrap();

        let rotated = rotate(&store, &both).await.unwrap();
        assert!(rotated.is_complete && rotated.unopened.is_empty(), "{rotated:?}");
        assert_eq!(rotated.resealed.values().sum::<u64>(), left);
        assert_eq!(sealed_with_the_previous_key(&store, &both).await.unwrap(), 0);
        let again = rotate(&store, &both).await.unwrap();
        assert!(again.is_complete && again.resealed.is_empty(), "{again:?}");

        let new = Vault::from_key([2; 32]);
        for number in 0..600 {
            let sealed = &store.session_keys(appid(), openid(number)).await.unwrap()[0];
            let key = new.open_session_key(&appid(), &openid(number), sealed).unwrap();
            assert_eq!(key.expose_secret(), format!("key {number}"));
        }
        store.close().await;
    }

    #[tokio::test]
    async fn logins_at_the_same_time_are_not_undone_and_nothing_of_the_previous_key_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.path().join("h.db"))).unwrap();
        let old = Vault::from_key([1; 32]);
        let both = Vault::from_key([2; 32]).with_previous([1; 32]).unwrap();
        users(&store, &old, 0..600).await;
        let (rotated, ()) = tokio::join!(rotate(&store, &both), users(&store, &both, 300..600));
        assert!(rotated.unwrap().is_complete);
        assert_eq!(sealed_with_the_previous_key(&store, &both).await.unwrap(), 0);
        let new = Vault::from_key([2; 32]);
        for number in 0..600 {
            let keys = store.session_keys(appid(), openid(number)).await.unwrap();
            assert_eq!(keys.len(), if number < 300 { 1 } else { 2 }, "user {number}");
            for sealed in keys {
                let key = new.open_session_key(&appid(), &openid(number), &sealed).unwrap();
                assert_eq!(key.expose_secret(), format!("key {number}"));
            }
        }
        store.close().await;
    }

    #[tokio::test]
    async fn what_neither_key_opens_is_counted_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.path().join("h.db"))).unwrap();
        let both = Vault::from_key([2; 32]).with_previous([1; 32]).unwrap();
        users(&store, &Vault::from_key([3; 32]), 0..1).await;
        let before = store.session_keys(appid(), openid(0)).await.unwrap();
        let rotated = rotate(&store, &both).await.unwrap();
        assert!(rotated.is_complete && rotated.resealed.is_empty());
        assert_eq!(rotated.unopened, Counts::from([(SealedKind::SessionKey, 1)]));
        assert_eq!(store.session_keys(appid(), openid(0)).await.unwrap(), before);
        store.close().await;
    }
}
