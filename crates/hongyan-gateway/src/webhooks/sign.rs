//! Secrets and signatures of the Standard Webhooks specification.
//!
//! The crate of the specification is not used: it needs older versions of base64, HMAC and SHA-256 for these few lines.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hongyan_clock::UnixMillis;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::config::Why;
use crate::vault::looks_random;

/// The prefix of every secret.
pub const SECRET_PREFIX: &str = "whsec_";

/// The specification asks for 24 to 64 bytes.
const SECRET_BYTES: usize = 32;

/// The number of bytes of a secret, by the specification.
const GIVEN_BYTES: RangeInclusive<usize> = 24..=64;

/// A random secret.
pub fn new_secret() -> SecretString {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).expect("an operating system without random numbers cannot keep secrets");
    SecretString::from(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)))
}

/// Checks a secret that a person gives.
///
/// # Errors
/// What a secret is. The error does not repeat the text.
pub fn check_secret(secret: &SecretString) -> Result<(), Why> {
    let bytes =
        secret.expose_secret().strip_prefix(SECRET_PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
    let command = format!("echo \"{SECRET_PREFIX}$(openssl rand -base64 {SECRET_BYTES})\"");
    match bytes {
        Some(bytes) if !GIVEN_BYTES.contains(&bytes.len()) => {
            Err(Why::SecretLength { bytes: bytes.len(), command })
        }
        Some(bytes) if looks_random(&bytes) => Ok(()),
        Some(_) => Err(Why::NotRandom { command }),
        None => Err(Why::NoWebhookSecret { prefix: SECRET_PREFIX, command }),
    }
}

/// The keys that sign for a webhook, each with the moment after which the key no longer signs.
pub(super) struct Signer(Vec<(Hmac<Sha256>, UnixMillis)>);

impl Signer {
    /// A signer with these secrets; `None` if one of them is malformed.
    pub(super) fn new(secrets: &[(SecretString, UnixMillis)]) -> Option<Self> {
        let keys = secrets.iter().map(|(secret, until)| {
            let key = STANDARD.decode(secret.expose_secret().strip_prefix(SECRET_PREFIX)?).ok()?;
            Some((Hmac::new_from_slice(&key).ok()?, *until))
        });
        keys.collect::<Option<_>>().map(Self)
    }

    /// The header `webhook-signature`: a signature by each secret that still signs.
    pub(super) fn sign(&self, id: &str, now: UnixMillis, body: &[u8]) -> String {
        let timestamp = now.as_seconds();
        let signatures = self.0.iter().filter(|(_, until)| now < *until).map(|(key, _)| {
            let mut mac = key.clone();
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// Whether one of the signatures of a delivery (its header `webhook-signature`) was made with this secret, over this id, this
/// time and this body. Signatures of versions other than `v1` (HMAC-SHA256) do not count.
pub fn is_signed_by(
    secret: &SecretString,
    (id, timestamp): (&str, &str),
    body: &[u8],
    signatures: &str,
) -> bool {
    let key = secret.expose_secret().strip_prefix(SECRET_PREFIX).and_then(|key| STANDARD.decode(key).ok());
    let Some(mac) = key.and_then(|key| Hmac::<Sha256>::new_from_slice(&key).ok()) else { return false };
    let given =
        signatures.split(' ').filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok());
    given.into_iter().any(|given| {
        let mut mac = mac.clone();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        // Compares in constant time.
        mac.verify_slice(&given).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signer = Signer::new(&[(secret, UnixMillis::MAX)]).unwrap();
        assert_eq!(
            signer.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                UnixMillis(1_614_265_330_000),
                br#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn two_secrets_make_two_signatures_until_the_older_one_is_over() {
        let (new, old, end) = (new_secret(), new_secret(), UnixMillis(9_000));
        let signer = Signer::new(&[(new.clone(), UnixMillis::MAX), (old.clone(), end)]).unwrap();
        let alone = |secret: &SecretString, now| {
            Signer::new(&[(secret.clone(), UnixMillis::MAX)]).unwrap().sign("whe_1", now, b"{}")
        };
        let before = UnixMillis(8_999);
        let both = format!("{} {}", alone(&new, before), alone(&old, before));
        assert_eq!(signer.sign("whe_1", before, b"{}"), both);
        assert_eq!(signer.sign("whe_1", end, b"{}"), alone(&new, end));
        assert_ne!(alone(&new, end), alone(&old, end));
    }
    #[test]
    fn a_secret_that_a_person_gives_must_look_like_a_real_one() {
        check_secret(&new_secret()).unwrap();
        check_secret(&SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        for (text, words) in [
            ("sesame".to_owned(), "24 to 64"),
            (format!("{SECRET_PREFIX}{}", STANDARD.encode([1; 16])), "has 16 bytes"),
            (format!("{SECRET_PREFIX}{}", STANDARD.encode([1; 32])), "not random"),
        ] {
            let refused = check_secret(&SecretString::from(text)).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn a_receiver_takes_either_signature_and_nothing_else() {
        let (new, old, other) = (new_secret(), new_secret(), new_secret());
        let now = UnixMillis(1_614_265_330_000);
        let signer = Signer::new(&[(new.clone(), UnixMillis::MAX), (old.clone(), UnixMillis::MAX)]).unwrap();
        let signatures = signer.sign("whe_1", now, b"{}");
        let is_signed = |secret: &SecretString, id: &str, time: &str, body: &[u8]| {
            is_signed_by(secret, (id, time), body, &signatures)
        };
        assert!(
            is_signed(&new, "whe_1", "1614265330", b"{}") && is_signed(&old, "whe_1", "1614265330", b"{}")
        );
        assert!(!is_signed(&other, "whe_1", "1614265330", b"{}"));
        assert!(!is_signed(&new, "whe_2", "1614265330", b"{}"));
        assert!(!is_signed(&new, "whe_1", "1614265331", b"{}"));
        assert!(!is_signed(&new, "whe_1", "1614265330", b"{ }"));
        let later_version = signatures.replace("v1,", "v1a,");
        assert!(!is_signed_by(&new, ("whe_1", "1614265330"), b"{}", &later_version));
        assert!(!is_signed_by(&"whsec_?".into(), ("whe_1", "1614265330"), b"{}", &signatures));
    }
}
