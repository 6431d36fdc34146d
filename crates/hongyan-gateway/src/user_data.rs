//! Decrypts the data that a mini program gets about its user (`encryptedData`), with the session keys stored at logins.

use std::time::Duration;

use axum::http::StatusCode;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_store::Store;
use hongyan_wechat::{AppId, OpenId, SecretString, user_data};
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::vault::Vault;

/// How far WeChat's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(300);

/// The number of session keys to try: the most that are stored. A user with fewer keys causes as many tries, so that the
/// time reveals nothing.
const TRIES: usize = 2;

/// A key that decrypts nothing, in place of a missing key.
const NO_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

/// The data to decrypt.
pub struct Sealed<'a> {
    /// The app.
    pub appid: &'a AppId,
    /// The user whom the data is said to be about.
    pub openid: &'a OpenId,
    /// `encryptedData`, as the mini program got it.
    pub encrypted_data: &'a str,
    /// `iv`, as the mini program got it.
    pub iv: &'a str,
    /// `rawData` and `signature`, if they are to be checked.
    pub signed: Option<(&'a str, &'a str)>,
    /// The greatest age of the data.
    pub max_age: Duration,
}

/// Decrypts the data.
///
/// 1. The keys of the last two logins are tried, the newest first: a `wx.login` replaces the key while data that the earlier
///    key encrypts is on its way.
/// 2. The signature, if there is one, must be by the key that decrypts the data.
/// 3. The data names the app. If the data names a user, it is this user. The data is not too old.
///
/// # Errors
/// `undecipherable`, for whichever of these reasons, and also when the user has never logged in here; errors of the store.
pub async fn open(
    store: &dyn Store,
    vault: &Vault,
    clock: &Clock,
    sealed: &Sealed<'_>,
) -> Result<Map<String, Value>, Problem> {
    let Sealed { appid, openid, .. } = *sealed;
    let keys = store.session_keys(appid.clone(), openid.clone()).await?;
    let now = clock.now();
    let mut opened = None;
    for number in 0..TRIES {
        let key = keys.get(number).and_then(|key| {
            let key = vault.open_session_key(appid, openid, key);
            key.inspect_err(
                |error| tracing::error!(app = %appid, %error, "a session key cannot be decrypted"),
            )
            .ok()
        });
        let found = try_key(&key.unwrap_or_else(|| NO_KEY.into()), sealed, now);
        opened = opened.or(found);
    }
    opened.ok_or_else(|| {
        let detail = "the data cannot be decrypted with a session key of this user's last two logins, or its \
                      signature, app, user or age is wrong; let the user log in again and send new data";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "undecipherable", detail)
    })
}

fn try_key(key: &SecretString, sealed: &Sealed<'_>, now: UnixMillis) -> Option<Map<String, Value>> {
    let Sealed { appid, openid, encrypted_data, iv, signed, max_age } = *sealed;
    // Both are always computed, so that the time does not reveal which check failed.
    let is_signed = signed.is_none_or(|(raw, signature)| user_data::is_signed(signature, raw, key));
    let data = user_data::open(key, encrypted_data, iv, appid).ok()?;
    let made_at = UnixMillis(data.timestamp.saturating_mul(1_000));
    let is_of_now = made_at <= now.plus(AHEAD) && now.since(made_at) <= max_age;
    let is_theirs = data.data.get("openId").is_none_or(|named| named.as_str() == Some(openid.as_str()));
    (is_signed && is_of_now && is_theirs).then_some(data.data)
}
