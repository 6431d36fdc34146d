//! The cipher of compatible and safe mode: AES-256-CBC around random bytes, the length, the message and the appid.

use std::fmt;
use std::str::FromStr;

use aes::Aes256;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use secrecy::zeroize::Zeroizing;

use crate::AppId;

/// The length of a key on WeChat's page: 43 characters, base64 without its `=`.
const KEY_CHARS: usize = 43;

/// WeChat pads to blocks of this size, not to the cipher's block size.
const PADDED_TO: usize = 32;

/// The random bytes at the beginning.
const RANDOM: usize = 16;

/// The message's length after them, big endian.
const LENGTH: usize = 4;

/// WeChat makes keys of 43 random characters, so the last character may carry bits that belong to no byte.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The `EncodingAESKey` of an app, which encrypts the app's pushes. The key is wiped from memory when dropped, and does
/// not print.
#[derive(Clone)]
pub struct EncodingAesKey(Zeroizing<[u8; 32]>);

/// A text that is not an `EncodingAESKey`. The error does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an EncodingAESKey has 43 letters and digits; copy the key from WeChat's page")]
pub struct InvalidEncodingAesKey;

impl FromStr for EncodingAesKey {
    type Err = InvalidEncodingAesKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != KEY_CHARS {
            return Err(InvalidEncodingAesKey);
        }
        let bytes = Zeroizing::new(LENIENT.decode(text).map_err(|_| InvalidEncodingAesKey)?);
        let key: [u8; 32] = bytes[..].try_into().map_err(|_| InvalidEncodingAesKey)?;
        Ok(Self(Zeroizing::new(key)))
    }
}

impl fmt::Debug for EncodingAesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncodingAesKey(***)")
    }
}

/// Why an encrypted message cannot be opened. For logs only; the sender gets no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The message is not base64.
    #[error("the encrypted message is not base64")]
    Encoding,
    /// The length is zero or not a whole number of blocks.
    #[error("the encrypted message has a wrong length")]
    Length,
    /// The padding is not WeChat's: another key was used, or bytes were changed.
    #[error("the padding is wrong; is this the app's current EncodingAESKey?")]
    Padding,
    /// The length inside points beyond the message.
    #[error("the length inside points beyond the message")]
    Truncated,
    /// The message is for another app.
    #[error("the message is for another app")]
    OtherApp,
}

impl EncodingAesKey {
    /// Encrypts a message for an app. `random` must be new for each message.
    pub fn seal(&self, random: [u8; RANDOM], message: &[u8], appid: &AppId) -> String {
        let length = u32::try_from(message.len()).expect("a message is far shorter than 4 GiB");
        let mut plain =
            Vec::with_capacity(RANDOM + LENGTH + message.len() + appid.as_str().len() + PADDED_TO);
        plain.extend_from_slice(&random);
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(message);
        plain.extend_from_slice(appid.as_str().as_bytes());
        let padding = PADDED_TO - plain.len() % PADDED_TO;
        plain.extend(std::iter::repeat_n(padding as u8, padding));
        let cipher = cbc::Encryptor::<Aes256>::new(&(*self.0).into(), &self.iv().into());
        general_purpose::STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&plain))
    }

    /// Opens a message that is for this app.
    ///
    /// # Errors
    /// When the message was not encrypted with this key for this app, or was changed.
    pub fn open(&self, sealed: &str, appid: &AppId) -> Result<Vec<u8>, OpenError> {
        let cipher_text = LENIENT.decode(sealed).map_err(|_| OpenError::Encoding)?;
        if cipher_text.is_empty() || cipher_text.len() % PADDED_TO != 0 {
            return Err(OpenError::Length);
        }
        let cipher = cbc::Decryptor::<Aes256>::new(&(*self.0).into(), &self.iv().into());
        let mut plain =
            cipher.decrypt_padded_vec::<NoPadding>(&cipher_text).map_err(|_| OpenError::Length)?;
        let padding = usize::from(*plain.last().ok_or(OpenError::Length)?);
        let end = plain.len().checked_sub(padding).ok_or(OpenError::Padding)?;
        if !(1..=PADDED_TO).contains(&padding)
            || plain[end..].iter().any(|&byte| usize::from(byte) != padding)
        {
            return Err(OpenError::Padding);
        }
        plain.truncate(end);
        let behind = plain.get(RANDOM..).ok_or(OpenError::Truncated)?;
        let (length, behind) = behind.split_first_chunk::<LENGTH>().ok_or(OpenError::Truncated)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (message, owner) = behind.split_at_checked(length).ok_or(OpenError::Truncated)?;
        if owner != appid.as_str().as_bytes() {
            return Err(OpenError::OtherApp);
        }
        Ok(message.to_vec())
    }

    /// The initial vector: WeChat uses the first bytes of the key.
    fn iv(&self) -> [u8; 16] {
        *self.0.first_chunk().expect("32 bytes have a first 16")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    fn key() -> EncodingAesKey {
        KEY.parse().unwrap()
    }

    fn appid() -> AppId {
        "wxb11529c136998cb6".parse().unwrap()
    }

    /// Encrypts without any of the guarantees of `seal`.
    fn sealed_bytes(plain: &[u8]) -> String {
        let key = key();
        let cipher = cbc::Encryptor::<Aes256>::new(&(*key.0).into(), &key.iv().into());
        general_purpose::STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(plain))
    }

    #[test]
    fn what_another_implementation_sealed_is_opened() {
        // Made by `openssl enc -aes-256-cbc`, with the random bytes 0123456789abcdef.
        let sealed =
            "Q3stYC6hdFzMh9T8HCvyDIVWdXAVoEIDjoApkczg+t7PMC7kybQXN6mRiN1ZR9QZnc7CDKuvWoERpPFF6jDJTA==";
        let message = "<xml><A>中</A></xml>".as_bytes();
        assert_eq!(key().open(sealed, &appid()).unwrap(), message);
        assert_eq!(key().seal(*b"0123456789abcdef", message, &appid()), sealed);
    }

    #[test]
    fn a_key_is_43_characters_and_does_not_print() {
        assert!(KEY[..42].parse::<EncodingAesKey>().is_err());
        assert!(format!("{KEY}=").parse::<EncodingAesKey>().is_err());
        assert!("ä".repeat(43).parse::<EncodingAesKey>().is_err());
        assert!(!format!("{:?}", key()).contains("abc"));
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        let sealed = key().seal([7; 16], b"hello", &appid());
        assert_eq!(key().open(&sealed, &appid()).unwrap(), b"hello");
        assert_eq!(key().open("***", &appid()), Err(OpenError::Encoding));
        assert_eq!(key().open("", &appid()), Err(OpenError::Length));
        assert_eq!(key().open(&sealed[..sealed.len() / 2], &appid()), Err(OpenError::Length));
        assert_eq!(key().open(&sealed, &"wx0000000000000000".parse().unwrap()), Err(OpenError::OtherApp));
        let other: EncodingAesKey = KEY.replace('a', "b").parse().unwrap();
        assert_eq!(other.open(&sealed, &appid()), Err(OpenError::Padding));
        let padded = |bytes: &[u8]| {
            let missing = PADDED_TO - bytes.len() % PADDED_TO;
            [bytes, &vec![missing as u8; missing]].concat()
        };
        assert_eq!(key().open(&sealed_bytes(&[0; 32]), &appid()), Err(OpenError::Padding));
        assert_eq!(key().open(&sealed_bytes(&[33; 64]), &appid()), Err(OpenError::Padding));
        assert_eq!(key().open(&sealed_bytes(&padded(&[7; 10])), &appid()), Err(OpenError::Truncated));
        let too_long = [&[7; 16][..], &u32::MAX.to_be_bytes(), b"x"].concat();
        assert_eq!(key().open(&sealed_bytes(&padded(&too_long)), &appid()), Err(OpenError::Truncated));
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_is_opened(message: Vec<u8>, random: [u8; 16]) {
            let sealed = key().seal(random, &message, &appid());
            prop_assert_eq!(key().open(&sealed, &appid()).unwrap(), message);
        }

        #[test]
        fn nothing_else_is_opened_and_nothing_panics(text in "[A-Za-z0-9+/=]{0,200}") {
            let _ = key().open(&text, &appid());
        }
    }
}
