//! Codes of the second factor: TOTP (RFC 6238), with what every authenticator app assumes: SHA-1, 6 digits, 30 seconds.
//!
//! This is written on `hmac` and `sha1`, which the workspace has. A crate would bring more packages than this has lines of
//! arithmetic, and the store needs the step of a code, not only whether the code is right.

use hmac::{Hmac, KeyInit, Mac};
use hongyan_clock::UnixMillis;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::vault::random;

/// The length that RFC 4226 recommends: as long as the hash.
const SECRET_BYTES: usize = 20;

/// How long a code is shown.
const STEP_SECONDS: i64 = 30;

/// How many steps a phone's clock may be wrong, either way (RFC 6238, section 5.2).
const SKEW_STEPS: i64 = 1;

/// The number of codes: six digits.
const CODES: u32 = 1_000_000;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The secret that a person's authenticator app shares with the gateway.
pub struct Totp([u8; SECRET_BYTES]);

impl Totp {
    /// A new secret.
    pub(super) fn generate() -> Self {
        Self(random())
    }

    /// The secret as the vault seals it.
    pub(super) fn to_text(&self) -> SecretString {
        hex::encode(self.0).into()
    }

    /// Reads [`Self::to_text`].
    pub(super) fn from_text(text: &SecretString) -> Option<Self> {
        let mut secret = [0; SECRET_BYTES];
        hex::decode_to_slice(text.expose_secret(), &mut secret).ok()?;
        Some(Self(secret))
    }

    /// The secret for typing it into an app.
    pub fn base32(&self) -> String {
        // 20 bytes are 32 groups of 5 bits, so no padding is needed.
        let (mut text, mut bits, mut count) = (String::new(), 0_u32, 0);
        for byte in self.0 {
            bits = bits << 8 | u32::from(byte);
            count += 8;
            while count >= 5 {
                count -= 5;
                text.push(char::from(BASE32[(bits >> count & 31) as usize]));
            }
        }
        text
    }

    /// The secret as apps read it from a QR code.
    pub fn uri(&self, name: &str) -> String {
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        format!(
            "otpauth://totp/Hongyan:{name}?secret={}&issuer=Hongyan&algorithm=SHA1&digits=6&period={STEP_SECONDS}",
            self.base32()
        )
    }

    /// The step whose code this is, if that step is now or nearly now, and later than `used`.
    pub(super) fn step_of(&self, code: &str, now: UnixMillis, used: i64) -> Option<i64> {
        // Apps show the code in two groups.
        let code: String = code.chars().filter(|char| !char.is_whitespace()).collect();
        let step = now.as_seconds() / STEP_SECONDS;
        (step - SKEW_STEPS..=step + SKEW_STEPS)
            .filter(|step| *step > used)
            .find(|step| self.code(*step).as_bytes().ct_eq(code.as_bytes()).into())
    }

    /// The code of a step: the truncated HMAC of RFC 4226, section 5.3.
    pub(super) fn code(&self, step: i64) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = usize::from(hash[hash.len() - 1] & 15);
        let bytes = [hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]];
        format!("{:06}", (u32::from_be_bytes(bytes) & 0x7fff_ffff) % CODES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totp() -> Totp {
        Totp(*b"12345678901234567890")
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B: the last six of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(totp().code(seconds / 30), code, "at {seconds}");
        }
        assert_eq!(totp().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_clock_may_be_wrong_by_one_step_and_a_used_step_is_over() {
        let at = |seconds: i64| UnixMillis(seconds * 1_000);
        let step = 1_111_111_109 / 30;
        let found = |seconds, used| totp().step_of("081 804", at(seconds), used);
        for near in [1_111_111_109, 1_111_111_109 - 30, 1_111_111_109 + 30] {
            assert_eq!(found(near, 0), Some(step));
            assert_eq!(found(near, step), None);
        }
        assert_eq!(found(1_111_111_109 - 60, 0), None);
        assert_eq!(found(1_111_111_109 + 60, 0), None);
        for wrong in ["", "081805", "81804", "0818040", "０８１８０４"] {
            assert_eq!(totp().step_of(wrong, at(1_111_111_109), 0), None, "{wrong}");
        }
    }

    #[test]
    fn the_text_of_a_secret_is_read_again_and_its_uri_has_the_name() {
        let secret = Totp::generate();
        assert_eq!(Totp::from_text(&secret.to_text()).unwrap().0, secret.0);
        assert!(Totp::from_text(&SecretString::from("00")).is_none());
        assert_eq!(
            totp().uri("li+hua@example.com"),
            "otpauth://totp/Hongyan:li%2Bhua%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Hongyan\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
