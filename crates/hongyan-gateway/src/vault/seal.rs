//! Sealing and opening.
//!
//! A sealed secret is, in this order:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of this layout, 1 |
//! | 4 | id of the key: the first bytes of its SHA-256 |
//! | 24 | nonce, random |
//! | rest | XChaCha20-Poly1305 ciphertext and tag |
//!
//! The purpose and the owner are associated data. So a sealed value that was copied to another column or another app does
//! not open there. A random nonce of 24 bytes never repeats in practice (draft-irtf-cfrg-xchacha, section 3.1), so no
//! counter has to survive the restore of a backup.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use hongyan_wechat::{AppId, OpenId};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::bytes::random;
use super::error::VaultError;
use super::key_file::{self, KEY_FILE, KeySource};
use crate::config::{ConfigError, Settings, Why};

/// The version byte of newly sealed secrets.
const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// The purpose of a sealed secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An app's AppSecret.
    AppSecret,
    /// An app's access token.
    AccessToken,
    /// A user's session_key.
    SessionKey,
    /// The token that signs an app's pushes.
    CallbackToken,
    /// The key that encrypts an app's pushes.
    CallbackAesKey,
    /// A webhook's secret.
    WebhookSecret,
    /// The secret of a person's second factor.
    Totp,
    /// The proof that a person has given the right password, and is to give a code.
    LoginStep,
    /// The secret of a second factor that its first code has not confirmed yet.
    FactorStep,
}

impl Purpose {
    /// A part of the associated data. Never change a label: sealed secrets would no longer open.
    const fn label(self) -> &'static str {
        match self {
            Self::AppSecret => "app_secret",
            Self::AccessToken => "access_token",
            Self::SessionKey => "session_key",
            Self::CallbackToken => "callback_token",
            Self::CallbackAesKey => "callback_aes_key",
            Self::WebhookSecret => "webhook_secret",
            Self::Totp => "totp",
            Self::LoginStep => "login_step",
            Self::FactorStep => "factor_step",
        }
    }
}

/// A master key.
struct Key {
    cipher: XChaCha20Poly1305,
    /// From which [`Vault::derived`] makes secrets.
    derivation: Hmac<Sha256>,
    id: [u8; KEY_ID_BYTES],
}

impl Key {
    fn new(key: [u8; 32]) -> Self {
        let digest: [u8; 32] = Sha256::digest(key).into();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        let derivation = Hmac::new_from_slice(&key).expect("HMAC takes a key of any length");
        Self { cipher: XChaCha20Poly1305::new(&key.into()), derivation, id }
    }

    fn has_sealed(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=KEY_ID_BYTES) == Some(self.id.as_slice())
    }
}

/// Seals and opens secrets.
pub struct Vault {
    current: Key,
    /// Opens secrets that were sealed before the master key was changed.
    previous: Option<Key>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("key_ids", &self.key_ids()).finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault with the keys that the settings name. Without such settings: with the key in the data directory, which is
    /// generated at the first start.
    ///
    /// # Errors
    /// When a key is malformed, or cannot be read or written.
    pub fn open(settings: &Settings) -> Result<(Self, KeySource), ConfigError> {
        let (key, source) = key_file::current(settings)?;
        let vault = Self::from_key(key);
        match key_file::previous(settings)? {
            Some(previous) if previous != key => Ok((vault.with_previous(previous)?, source)),
            // A change of keys was interrupted before the new key was in its place.
            _ => Ok((vault, source)),
        }
    }

    /// Whether there is a key, so that [`Vault::open`] does not have to generate a key.
    pub fn has_key(settings: &Settings) -> bool {
        settings.master_key.is_some()
            || settings.master_key_file.is_some()
            || settings.data_dir.join(KEY_FILE).exists()
    }

    /// A vault with this key.
    pub fn from_key(key: [u8; 32]) -> Self {
        Self { current: Key::new(key), previous: None }
    }

    /// Also opens secrets that this key sealed. Nothing is sealed with it.
    ///
    /// # Errors
    /// When the two keys have the same id.
    pub fn with_previous(self, key: [u8; 32]) -> Result<Self, ConfigError> {
        let previous = Key::new(key);
        if previous.id == self.current.id {
            return Err(ConfigError::MasterKey { why: Why::SameKeyId });
        }
        Ok(Self { previous: Some(previous), ..self })
    }

    /// The ids of the keys, the current key first. They reveal nothing about the keys.
    pub fn key_ids(&self) -> Vec<String> {
        std::iter::once(&self.current).chain(&self.previous).map(|key| hex::encode(key.id)).collect()
    }

    /// A secret for one purpose, in hexadecimal: the same on every node with the same master key.
    pub fn derived(&self, purpose: &str) -> SecretString {
        let mac = self.current.derivation.clone().chain_update(purpose).finalize();
        hex::encode(mac.into_bytes()).into()
    }

    /// Whether there is a previous key.
    pub const fn has_previous(&self) -> bool {
        self.previous.is_some()
    }

    /// Whether the current key sealed this.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.current.has_sealed(sealed)
    }

    /// Whether the previous key sealed this.
    pub fn is_previous(&self, sealed: &[u8]) -> bool {
        self.previous.as_ref().is_some_and(|key| key.has_sealed(sealed))
    }

    /// Seals a secret of an app.
    pub fn seal(&self, purpose: Purpose, appid: &AppId, secret: &SecretString) -> Vec<u8> {
        self.seal_of(purpose, appid.as_str(), secret)
    }

    /// Seals a secret of an owner other than an app; `owner` is its id.
    pub fn seal_of(&self, purpose: Purpose, owner: &str, secret: &SecretString) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = random();
        let associated = associated(purpose, owner);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &associated };
        let ciphertext = self
            .current
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("encryption fails only beyond 256 GiB, and no secret is that long");
        let mut sealed = Vec::with_capacity(HEAD_BYTES + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.current.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Opens a secret that was sealed for the same purpose and app.
    ///
    /// # Errors
    /// When the secret was sealed with another key, was changed, or belongs elsewhere.
    pub fn open_sealed(
        &self,
        purpose: Purpose,
        appid: &AppId,
        sealed: &[u8],
    ) -> Result<SecretString, VaultError> {
        self.open_of(purpose, appid.as_str(), sealed)
    }

    /// Opens a secret that was sealed for the same purpose and owner.
    ///
    /// # Errors
    /// Like [`Vault::open_sealed`].
    pub fn open_of(&self, purpose: Purpose, owner: &str, sealed: &[u8]) -> Result<SecretString, VaultError> {
        let (head, ciphertext) = sealed.split_at_checked(HEAD_BYTES).ok_or(VaultError::Malformed)?;
        let (version, head) = head.split_at(1);
        let (key_id, nonce) = head.split_at(KEY_ID_BYTES);
        if version != [VERSION] {
            return Err(VaultError::Malformed);
        }
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(|key| key_id == key.id).ok_or_else(|| VaultError::OtherKey {
            sealed: hex::encode(key_id),
            own: self.key_ids().join(" or "),
        })?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| VaultError::Malformed)?;
        let associated = associated(purpose, owner);
        let payload = Payload { msg: ciphertext, aad: &associated };
        let secret = key.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Damaged)?;
        String::from_utf8(secret).map(SecretString::from).map_err(|_| VaultError::Damaged)
    }
}

impl Vault {
    /// Seals a user's session_key. It opens for this user only: someone who can write to the database, but has no master
    /// key, cannot give one user the key of another user.
    pub fn seal_session_key(&self, appid: &AppId, openid: &OpenId, key: &SecretString) -> Vec<u8> {
        self.seal_of(Purpose::SessionKey, &user(appid, openid), key)
    }

    /// Opens a user's session_key.
    ///
    /// # Errors
    /// Like [`Vault::open_sealed`].
    pub fn open_session_key(
        &self,
        appid: &AppId,
        openid: &OpenId,
        sealed: &[u8],
    ) -> Result<SecretString, VaultError> {
        match self.open_of(Purpose::SessionKey, &user(appid, openid), sealed) {
            // Earlier versions sealed session keys for the app. Logins replace them.
            Err(VaultError::Damaged) => self.open_sealed(Purpose::SessionKey, appid, sealed),
            opened => opened,
        }
    }
}

/// The owner of a session_key. An appid contains no slash.
fn user(appid: &AppId, openid: &OpenId) -> String {
    format!("{appid}/{openid}")
}

fn associated(purpose: Purpose, owner: &str) -> Vec<u8> {
    // The zero byte ends the label, and ids contain no zero byte, so two pairs never give the same bytes.
    [purpose.label().as_bytes(), &[0], owner.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::super::key_file::{PREVIOUS_KEY_FILE, replace_key};
    use super::*;

    fn appid(text: &str) -> AppId {
        text.parse().unwrap()
    }

    #[test]
    fn a_secret_opens_where_it_was_sealed_and_nowhere_else() {
        let vault = Vault::from_key([7; 32]);
        let (mine, other) = (appid("wx1"), appid("wx2"));
        let secret = SecretString::from("s3cr3t");
        let sealed = vault.seal(Purpose::AppSecret, &mine, &secret);
        assert!(!sealed.windows(6).any(|window| window == b"s3cr3t"));
        assert_ne!(
            sealed,
            vault.seal(Purpose::AppSecret, &mine, &secret),
            "each sealed value has its own nonce"
        );
        let opened = vault.open_sealed(Purpose::AppSecret, &mine, &sealed).unwrap();
        assert_eq!(opened.expose_secret(), "s3cr3t");
        let elsewhere = [(Purpose::AccessToken, &mine), (Purpose::AppSecret, &other)];
        for (purpose, appid) in elsewhere {
            assert_eq!(vault.open_sealed(purpose, appid, &sealed).unwrap_err(), VaultError::Damaged);
        }
    }

    #[test]
    fn a_changed_secret_does_not_open() {
        let vault = Vault::from_key([7; 32]);
        let app = appid("wx1");
        let sealed = vault.seal(Purpose::SessionKey, &app, &SecretString::from("key"));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.open_sealed(Purpose::SessionKey, &app, &changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(vault.open_sealed(Purpose::SessionKey, &app, &sealed[..length]).is_err());
        }
    }

    #[test]
    fn a_session_key_opens_for_its_user_alone_and_one_of_before_still_opens() {
        let vault = Vault::from_key([7; 32]);
        let (app, key) = (appid("wx1"), SecretString::from("key"));
        let (mine, other): (OpenId, OpenId) = ("o1".parse().unwrap(), "o2".parse().unwrap());
        let sealed = vault.seal_session_key(&app, &mine, &key);
        assert_eq!(vault.open_session_key(&app, &mine, &sealed).unwrap().expose_secret(), "key");
        assert_eq!(vault.open_session_key(&app, &other, &sealed).unwrap_err(), VaultError::Damaged);
        let before = vault.seal(Purpose::SessionKey, &app, &key);
        assert_eq!(vault.open_session_key(&app, &mine, &before).unwrap().expose_secret(), "key");
    }

    #[test]
    fn another_key_is_named() {
        let app = appid("wx1");
        let sealed = Vault::from_key([7; 32]).seal(Purpose::AppSecret, &app, &SecretString::from("x"));
        let error = Vault::from_key([8; 32]).open_sealed(Purpose::AppSecret, &app, &sealed).unwrap_err();
        assert!(matches!(&error, VaultError::OtherKey { sealed, own } if sealed != own && sealed.len() == 8));
        assert!(error.to_string().contains("another master key"));
    }

    #[test]
    fn what_the_previous_key_sealed_opens_and_nothing_is_sealed_with_it() {
        let app = appid("wx1");
        let old = Vault::from_key([7; 32]).seal(Purpose::AppSecret, &app, &SecretString::from("x"));
        let both = Vault::from_key([8; 32]).with_previous([7; 32]).unwrap();
        assert!(both.is_previous(&old) && !both.is_current(&old));
        assert_eq!(both.open_sealed(Purpose::AppSecret, &app, &old).unwrap().expose_secret(), "x");
        let new = both.seal(Purpose::AppSecret, &app, &SecretString::from("y"));
        assert!(both.is_current(&new) && !both.is_previous(&new));
        assert!(Vault::from_key([7; 32]).open_sealed(Purpose::AppSecret, &app, &new).is_err());
        assert!(Vault::from_key([9; 32]).open_sealed(Purpose::AppSecret, &app, &old).is_err());
        assert!(Vault::from_key([7; 32]).with_previous([7; 32]).is_err(), "the two keys have the same id");
    }

    #[test]
    fn a_generated_key_is_replaced_and_kept_as_the_previous_one() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings { data_dir: directory.path().to_owned(), ..Settings::default() };
        let as_it_is = |_: &std::path::Path| Ok::<_, ConfigError>(());
        assert!(replace_key(&settings, as_it_is).is_err(), "there is no key to replace");
        let before = Vault::open(&settings).unwrap().0.key_ids();
        // Killed between the two steps: the old key has both names.
        let (current, previous) =
            (settings.data_dir.join(KEY_FILE), settings.data_dir.join(PREVIOUS_KEY_FILE));
        std::fs::hard_link(&current, &previous).unwrap();
        assert_eq!(Vault::open(&settings).unwrap().0.key_ids(), before);
        replace_key(&settings, as_it_is).unwrap();
        let after = Vault::open(&settings).unwrap().0.key_ids();
        assert_eq!((after.len(), &after[1]), (2, &before[0]));
        let refused = replace_key(&settings, as_it_is).unwrap_err().to_string();
        assert!(refused.contains(PREVIOUS_KEY_FILE), "{refused}");
        assert_eq!(Vault::open(&settings).unwrap().0.key_ids(), after, "the previous key is not lost");
        assert_eq!(std::fs::read_dir(&settings.data_dir).unwrap().count(), 2, "no draft is left behind");
        #[cfg(unix)]
        for file in [current, previous] {
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_is_generated_once_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings { data_dir: directory.path().join("data"), ..Settings::default() };
        let path = settings.data_dir.join(KEY_FILE);
        let (first, source) = Vault::open(&settings).unwrap();
        assert_eq!(source, KeySource::Generated(path.clone()));
        let (second, source) = Vault::open(&settings).unwrap();
        assert_eq!(source, KeySource::File(path.clone()));
        assert_eq!(first.key_ids(), second.key_ids());
        assert_eq!(std::fs::read_dir(&settings.data_dir).unwrap().count(), 1, "no draft is left behind");
        #[cfg(unix)]
        {
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_is_taken_in_either_form_and_anything_else_is_refused() {
        let with = |key: &str| Settings { master_key: Some(SecretString::from(key)), ..Settings::default() };
        let (hexadecimal, source) = Vault::open(&with(&"0a".repeat(32))).unwrap();
        assert_eq!(source, KeySource::Setting);
        let (base64, _) = Vault::open(&with(&STANDARD.encode([10; 32]))).unwrap();
        assert_eq!(hexadecimal.key_ids(), base64.key_ids());
        for bad in ["short", &"0a".repeat(31), &"zz".repeat(32)] {
            let error = Vault::open(&with(bad)).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits") && !error.contains(bad), "{error}");
        }
        let missing = Settings { master_key_file: Some("/nowhere/key".into()), ..Settings::default() };
        assert!(Vault::open(&missing).unwrap_err().to_string().contains("cannot read /nowhere/key"));
    }
}
