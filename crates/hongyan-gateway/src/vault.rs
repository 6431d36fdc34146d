//! Secrets at rest: what the database must not show is sealed here before it is stored.
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
//! What it is for and whose it is go in as associated data, so that a sealed value that was copied to another
//! column or another app does not open there. A nonce of 24 random bytes never repeats in practice
//! (draft-irtf-cfrg-xchacha, section 3.1), so no counter has to survive a restore of a backup.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hongyan_wechat::{AppId, OpenId};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::config::{ConfigError, Settings};

/// The version byte of what is sealed now.
const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// The name of a generated key's file in the data directory.
pub const KEY_FILE: &str = "master.key";

/// What a sealed secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An app's AppSecret.
    AppSecret,
    /// An app's access token.
    AccessToken,
    /// A user's session_key.
    SessionKey,
    /// What an app's pushes are signed with.
    CallbackToken,
    /// What an app's pushes are enciphered with.
    CallbackAesKey,
    /// A webhook's secret.
    WebhookSecret,
}

impl Purpose {
    /// Goes into the associated data. Never change: what is sealed would not open.
    const fn label(self) -> &'static str {
        match self {
            Self::AppSecret => "app_secret",
            Self::AccessToken => "access_token",
            Self::SessionKey => "session_key",
            Self::CallbackToken => "callback_token",
            Self::CallbackAesKey => "callback_aes_key",
            Self::WebhookSecret => "webhook_secret",
        }
    }
}

/// Where the master key came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The setting `master_key`.
    Setting,
    /// A file: the one that `master_key_file` names, or one that was generated earlier.
    File(PathBuf),
    /// It was generated just now, and written to this file.
    Generated(PathBuf),
}

/// Why a sealed secret does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Another key sealed it.
    #[error("it was sealed with another master key (id {sealed}, this one is {own})")]
    OtherKey {
        /// The id of the key that sealed it.
        sealed: String,
        /// The id of the key at hand.
        own: String,
    },
    /// Changed since it was sealed, or sealed for another purpose or app.
    #[error("it was changed after it was sealed, or belongs to something else")]
    Damaged,
    /// Not something that was ever sealed here.
    #[error("it is not in a form that this version knows")]
    Malformed,
}

/// Seals and opens secrets.
pub struct Vault {
    cipher: XChaCha20Poly1305,
    key_id: [u8; KEY_ID_BYTES],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("key_id", &hex(&self.key_id)).finish_non_exhaustive()
    }
}

impl Vault {
    /// With the key that the settings name. If they name none: with the one in the data directory, which is
    /// generated on the first start.
    ///
    /// # Errors
    /// When the key cannot be read or written, or is not a key.
    pub fn open(settings: &Settings) -> Result<(Self, KeySource), ConfigError> {
        if let Some(key) = &settings.master_key {
            return Ok((Self::from_key(parse_key(key.expose_secret(), "master_key")?), KeySource::Setting));
        }
        let generated = settings.data_dir.join(KEY_FILE);
        let path = settings.master_key_file.as_deref().unwrap_or(&generated);
        if settings.master_key_file.is_none() && write_new_key(path)? {
            return Ok((Self::from_key(read_key(path)?), KeySource::Generated(generated)));
        }
        let key = read_key(path)?;
        if is_readable_by_others(path) {
            tracing::warn!(
                path = %path.display(),
                "the file of the master key can be read by other users of this machine: chmod o-rwx it"
            );
        }
        Ok((Self::from_key(key), KeySource::File(path.to_owned())))
    }

    /// Whether there is a key, so that [`Vault::open`] does not have to make one.
    pub fn has_key(settings: &Settings) -> bool {
        settings.master_key.is_some()
            || settings.master_key_file.is_some()
            || settings.data_dir.join(KEY_FILE).exists()
    }

    /// With this key.
    pub fn from_key(key: [u8; 32]) -> Self {
        let digest: [u8; 32] = Sha256::digest(key).into();
        let mut key_id = [0; KEY_ID_BYTES];
        key_id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        Self { cipher: XChaCha20Poly1305::new(&key.into()), key_id }
    }

    /// Seals a secret of an app.
    pub fn seal(&self, purpose: Purpose, appid: &AppId, secret: &SecretString) -> Vec<u8> {
        self.seal_of(purpose, appid.as_str(), secret)
    }

    /// Seals a secret of something that is no app; `owner` is its id.
    pub fn seal_of(&self, purpose: Purpose, owner: &str, secret: &SecretString) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = random();
        let associated = associated(purpose, owner);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &associated };
        let ciphertext = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("encryption fails only beyond 256 GiB, and no secret is that long");
        let mut sealed = Vec::with_capacity(HEAD_BYTES + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.key_id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Opens what was sealed for the same purpose and app.
    ///
    /// # Errors
    /// When it was sealed with another key, changed, or belongs elsewhere.
    pub fn open_sealed(
        &self,
        purpose: Purpose,
        appid: &AppId,
        sealed: &[u8],
    ) -> Result<SecretString, VaultError> {
        self.open_of(purpose, appid.as_str(), sealed)
    }

    /// Opens what was sealed for the same purpose and owner.
    ///
    /// # Errors
    /// As [`Vault::open_sealed`].
    pub fn open_of(&self, purpose: Purpose, owner: &str, sealed: &[u8]) -> Result<SecretString, VaultError> {
        let (head, ciphertext) = sealed.split_at_checked(HEAD_BYTES).ok_or(VaultError::Malformed)?;
        let (version, head) = head.split_at(1);
        let (key_id, nonce) = head.split_at(KEY_ID_BYTES);
        if version != [VERSION] {
            return Err(VaultError::Malformed);
        }
        if key_id != self.key_id {
            return Err(VaultError::OtherKey { sealed: hex(key_id), own: hex(&self.key_id) });
        }
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| VaultError::Malformed)?;
        let associated = associated(purpose, owner);
        let payload = Payload { msg: ciphertext, aad: &associated };
        let secret = self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Damaged)?;
        String::from_utf8(secret).map(SecretString::from).map_err(|_| VaultError::Damaged)
    }
}

impl Vault {
    /// Seals a user's session_key. It opens for this user alone: who may write to the database, but has no master key,
    /// cannot give one user the key of another.
    pub fn seal_session_key(&self, appid: &AppId, openid: &OpenId, key: &SecretString) -> Vec<u8> {
        self.seal_of(Purpose::SessionKey, &user(appid, openid), key)
    }

    /// Opens a user's session_key.
    ///
    /// # Errors
    /// As [`Vault::open_sealed`].
    pub fn open_session_key(
        &self,
        appid: &AppId,
        openid: &OpenId,
        sealed: &[u8],
    ) -> Result<SecretString, VaultError> {
        match self.open_of(Purpose::SessionKey, &user(appid, openid), sealed) {
            // Before, they were sealed for the app. Logins replace them.
            Err(VaultError::Damaged) => self.open_sealed(Purpose::SessionKey, appid, sealed),
            opened => opened,
        }
    }
}

/// Whose a session_key is. No appid has a slash.
fn user(appid: &AppId, openid: &OpenId) -> String {
    format!("{appid}/{openid}")
}

/// A token that nobody can guess: the prefix and 32 random bytes in base64url.
pub fn random_token(prefix: &str) -> SecretString {
    SecretString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<32>())))
}

/// SHA-256 of a token: what the database keeps of it. Enough for texts with 256 random bits, which nobody can
/// search; a password would need a slow hash.
pub fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn associated(purpose: Purpose, owner: &str) -> Vec<u8> {
    // The zero byte ends the label, and no id has one: two pairs never give the same bytes.
    [purpose.label().as_bytes(), &[0], owner.as_bytes()].concat()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("an operating system without random numbers cannot keep secrets");
    bytes
}

/// The bytes as two lower-case digits each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;

    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

fn wrong(why: impl Into<String>) -> ConfigError {
    ConfigError::MasterKey { why: why.into() }
}

fn parse_key(text: &str, name: &str) -> Result<[u8; 32], ConfigError> {
    let text = text.trim();
    from_hex(text)
        .or_else(|| {
            [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
                .iter()
                .find_map(|base64| base64.decode(text).ok()?.try_into().ok())
        })
        .ok_or_else(|| wrong(format!("{name} must hold 64 hexadecimal digits, or base64 of 32 bytes")))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(key)
}

/// Whether every user of the machine may read a file. (Its group may: that is how orchestrators hand secrets over.)
pub fn is_readable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        std::fs::metadata(path)
            .is_ok_and(|file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o007 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

fn read_key(path: &Path) -> Result<[u8; 32], ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
    parse_key(&text, &path.display().to_string())
}

/// Writes a new key unless the file exists; whether it did. The file appears whole, readable by its owner only.
fn write_new_key(path: &Path) -> Result<bool, ConfigError> {
    let cannot = |error: std::io::Error| wrong(format!("cannot write {}: {error}", path.display()));
    if path.try_exists().map_err(cannot)? {
        return Ok(false);
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    create_private_dir(directory).map_err(cannot)?;
    // Written under another name and then linked, for linking never replaces a file: of two processes that start
    // together one wins, and both go on with the winner's key.
    let draft = directory.join(format!(".{KEY_FILE}.{}", hex(&random::<8>())));
    let linked = write_private(&draft, &hex(&random::<32>())).and_then(|()| std::fs::hard_link(&draft, path));
    let removed = std::fs::remove_file(&draft);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(cannot(error)),
    }
    removed.map_err(cannot)?;
    // The name itself must survive a power cut, too: secrets will depend on it.
    #[cfg(unix)]
    std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(cannot)?;
    Ok(true)
}

/// Makes a directory that only this user may enter, unless it is there: message contents lie in it in the clear.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;

    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
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
        assert_ne!(sealed, vault.seal(Purpose::AppSecret, &mine, &secret), "each has a nonce of its own");
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
    fn a_key_is_generated_once_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings { data_dir: directory.path().join("data"), ..Settings::default() };
        let path = settings.data_dir.join(KEY_FILE);
        let (first, source) = Vault::open(&settings).unwrap();
        assert_eq!(source, KeySource::Generated(path.clone()));
        let (second, source) = Vault::open(&settings).unwrap();
        assert_eq!(source, KeySource::File(path.clone()));
        assert_eq!(first.key_id, second.key_id);
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
        assert_eq!(hexadecimal.key_id, base64.key_id);
        for bad in ["short", &"0a".repeat(31), &"zz".repeat(32)] {
            let error = Vault::open(&with(bad)).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits") && !error.contains(bad), "{error}");
        }
        let missing = Settings { master_key_file: Some("/nowhere/key".into()), ..Settings::default() };
        assert!(Vault::open(&missing).unwrap_err().to_string().contains("cannot read /nowhere/key"));
    }

    #[test]
    fn tokens_differ_and_do_not_print() {
        let (a, b) = (random_token("hyk_"), random_token("hyk_"));
        assert_ne!(a.expose_secret(), b.expose_secret());
        assert_eq!(a.expose_secret().len(), 4 + 43);
        assert!(!format!("{a:?}").contains("hyk_"));
    }
}
