//! What a mini program gets enciphered of its user (`encryptedData`), opened with the session keys that logins left
//! here.

use std::time::Duration;

use axum::http::StatusCode;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_store::Store;
use hongyan_wechat::{AppId, OpenId, SecretString, user_data};
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::vault::Vault;

/// How far ahead of ours WeChat's clock may be.
const AHEAD: Duration = Duration::from_secs(300);

/// So many session keys are tried: as many as are kept, also of a user who has fewer, for that should not show.
const TRIES: usize = 2;

/// A key that opens nothing, in the place of one that is not there.
const NO_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

/// What is to be opened.
pub struct Sealed<'a> {
    /// The app.
    pub appid: &'a AppId,
    /// Whose it is said to be.
    pub openid: &'a OpenId,
    /// `encryptedData`, as the mini program got it.
    pub encrypted_data: &'a str,
    /// `iv`, as the mini program got it.
    pub iv: &'a str,
    /// `rawData` and `signature`, if they are to be checked.
    pub signed: Option<(&'a str, &'a str)>,
    /// How old it may be.
    pub max_age: Duration,
}

/// Opens it.
///
/// 1. The keys of the last two logins are tried, the newest first: a `wx.login` replaces the key while data of the one
///    before is on its way.
/// 2. The signature, if there is one, must be by the key that opens the data.
/// 3. The data names the app, and the user if it names any; and it is not too old.
///
/// # Errors
/// `undecipherable`, whichever of these does not hold, and also when the user has never logged in here; the store's.
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
        let detail = "the data does not open with a session key of this user's last two logins, or its signature, app, \
                      user or age is not as it should be; let the user log in again and send new data";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "undecipherable", detail)
    })
}

fn try_key(key: &SecretString, sealed: &Sealed<'_>, now: UnixMillis) -> Option<Map<String, Value>> {
    let Sealed { appid, openid, encrypted_data, iv, signed, max_age } = *sealed;
    // Both, always: the time must not tell which of them failed.
    let is_signed = signed.is_none_or(|(raw, signature)| user_data::is_signed(signature, raw, key));
    let data = user_data::open(key, encrypted_data, iv, appid).ok()?;
    let made_at = UnixMillis(data.timestamp.saturating_mul(1_000));
    let is_of_now = made_at <= now.plus(AHEAD) && now.since(made_at) <= max_age;
    let is_theirs = data.data.get("openId").is_none_or(|named| named.as_str() == Some(openid.as_str()));
    (is_signed && is_of_now && is_theirs).then_some(data.data)
}
