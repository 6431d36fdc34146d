//! The encrypted user data of a mini program (`encryptedData`): AES-128-CBC with the session key, and signed with it.
//!
//! Source: <https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html>.

use aes::Aes128;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::AppId;
use crate::digest::{is_same, sha1_hex};

/// The size of a block, a key and an initial vector in bytes.
const BLOCK: usize = 16;

/// User data that cannot be opened. The error gives no reason: somebody who could tell a wrong padding from a wrong key
/// could decrypt the data without the key (a padding oracle).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user data cannot be decrypted")]
pub struct Undecipherable;

/// Decrypted user data.
#[derive(Debug, Clone, PartialEq)]
pub struct UserData {
    /// The whole data, as WeChat made it.
    pub data: Map<String, Value>,
    /// When WeChat made it, in seconds since 1970.
    pub timestamp: i64,
}

#[derive(Deserialize)]
struct Watermark {
    appid: String,
    timestamp: i64,
}

/// Decrypts an app's user data with a session key.
///
/// # Errors
/// When the data was not made with this key for this app, or was changed.
pub fn open(
    session_key: &SecretString,
    encrypted_data: &str,
    iv: &str,
    appid: &AppId,
) -> Result<UserData, Undecipherable> {
    let cipher_text = STANDARD.decode(encrypted_data).map_err(|_| Undecipherable)?;
    let (key, iv) = (block(session_key.expose_secret())?, block(iv)?);
    let plain = cbc::Decryptor::<Aes128>::new(&(*key).into(), &(*iv).into())
        .decrypt_padded_vec::<Pkcs7>(&cipher_text)
        .map_err(|_| Undecipherable)?;
    let plain = Zeroizing::new(plain);
    let data: Map<String, Value> = serde_json::from_slice(&plain).map_err(|_| Undecipherable)?;
    let watermark = data.get("watermark").ok_or(Undecipherable)?;
    let watermark = Watermark::deserialize(watermark).map_err(|_| Undecipherable)?;
    if watermark.appid != appid.as_str() {
        return Err(Undecipherable);
    }
    Ok(UserData { data, timestamp: watermark.timestamp })
}

/// Encrypts user data as WeChat does: the inverse of [`open`].
///
/// # Errors
/// When the key or the initial vector is not 16 bytes in base64.
pub fn seal(session_key: &SecretString, iv: &str, plain: &[u8]) -> Result<String, Undecipherable> {
    let (key, iv) = (block(session_key.expose_secret())?, block(iv)?);
    let cipher = cbc::Encryptor::<Aes128>::new(&(*key).into(), &(*iv).into());
    Ok(STANDARD.encode(cipher.encrypt_padded_vec::<Pkcs7>(plain)))
}

/// The signature of a `rawData`: SHA-1 of `rawData` and the session key, in lower-case hexadecimal.
pub fn signature(raw_data: &str, session_key: &SecretString) -> String {
    sha1_hex(&[raw_data, session_key.expose_secret()])
}

/// Whether this is that signature. The comparison takes constant time.
pub fn is_signed(given: &str, raw_data: &str, session_key: &SecretString) -> bool {
    is_same(given, &signature(raw_data, session_key))
}

fn block(text: &str) -> Result<Zeroizing<[u8; BLOCK]>, Undecipherable> {
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| Undecipherable)?);
    let block = <[u8; BLOCK]>::try_from(&bytes[..]).map_err(|_| Undecipherable)?;
    Ok(Zeroizing::new(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by
    /// `openssl enc -aes-128-cbc -K 000102030405060708090a0b0c0d0e0f -iv 101112131415161718191a1b1c1d1e1f -base64 -A`.
    const PLAIN: &str = r#"{"openId":"oSandboxUser0000000000000001","nickName":"鸿雁","watermark":{"timestamp":1477314187,"appid":"wx0123456789abcdef"}}"#;
    const SEALED: &str = "zQVbxhdJKtpq50lKjAnlSmvJtmghUWXMYGCGLBjaXrltpk+5UP8pnUVZ48XL5xyj/ISj5OyU+XpUounWFZazyrrT0pijHCeXZxMEf4eSEU3vfDIrSMr0PIb9/JpXposPEXIynAnc9MHGCrgzar9K9tX9pV/kSeYcHRg8us8KyDA=";
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";
    const IV: &str = "EBESExQVFhcYGRobHB0eHw==";

    fn key() -> SecretString {
        KEY.into()
    }

    fn appid() -> AppId {
        "wx0123456789abcdef".parse().unwrap()
    }

    #[test]
    fn what_openssl_enciphered_opens_and_can_be_made_again() {
        let opened = open(&key(), SEALED, IV, &appid()).unwrap();
        assert_eq!(opened.timestamp, 1_477_314_187);
        assert_eq!(opened.data["nickName"], "鸿雁");
        assert_eq!(seal(&key(), IV, PLAIN.as_bytes()).unwrap(), SEALED);
    }

    #[test]
    fn whatever_is_wrong_the_answer_is_the_same() {
        let (key, appid) = (key(), appid());
        let other_key: SecretString = "AAECAwQFBgcICQoLDA0ODg==".into();
        let other_app = "wx0123456789abcdee".parse().unwrap();
        let changed = format!("B{}", &SEALED[1..]);
        let no_watermark = seal(&key, IV, br#"{"openId":"o"}"#).unwrap();
        let no_json = seal(&key, IV, b"text").unwrap();
        for (key, sealed, iv, appid) in [
            (&other_key, SEALED, IV, &appid),
            (&key, SEALED, IV, &other_app),
            (&key, changed.as_str(), IV, &appid),
            (&key, &SEALED[..24], IV, &appid),
            (&key, "", IV, &appid),
            (&key, "not base64", IV, &appid),
            (&key, SEALED, "AAAA", &appid),
            (&key, no_watermark.as_str(), IV, &appid),
            (&key, no_json.as_str(), IV, &appid),
        ] {
            assert_eq!(open(key, sealed, iv, appid), Err(Undecipherable), "{sealed}");
        }
    }

    #[test]
    fn the_signature_is_that_of_the_raw_data_and_the_key() {
        // Made by `printf %s '{"a":1}AAECAwQFBgcICQoLDA0ODw==' | sha1sum`.
        let signature = "02711d4c1b9c0ab44a23f22b81080a98241cc072";
        assert!(is_signed(signature, r#"{"a":1}"#, &key()));
        assert!(!is_signed(signature, r#"{"a":2}"#, &key()));
        assert!(!is_signed("", r#"{"a":1}"#, &key()));
    }
}
