//! Secrets and signatures, as the Standard Webhooks specification has them.
//!
//! Its crate is not used: it brings older copies of what is here already (base64, HMAC, SHA-256) for these few lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What every secret begins with.
pub const SECRET_PREFIX: &str = "whsec_";

/// The specification asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// A secret that nobody can guess.
pub fn new_secret() -> SecretString {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).expect("an operating system without random numbers cannot keep secrets");
    SecretString::from(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)))
}

/// The keys that sign for one webhook.
pub(super) struct Signer(Vec<Vec<u8>>);

impl Signer {
    /// With these secrets; `None` if one of them is none.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Option<Self> {
        let keys = secrets
            .into_iter()
            .map(|secret| STANDARD.decode(secret.expose_secret().strip_prefix(SECRET_PREFIX)?).ok());
        keys.collect::<Option<_>>().map(Self)
    }

    /// The header `webhook-signature`: a signature by each secret.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signatures = self.0.iter().map(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signer = Signer::new([&secret]).unwrap();
        assert_eq!(
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn two_secrets_make_two_signatures() {
        let (new, old) = (new_secret(), new_secret());
        let both = Signer::new([&new, &old]).unwrap().sign("whe_1", 1, b"{}");
        let alone = |secret| Signer::new([secret]).unwrap().sign("whe_1", 1, b"{}");
        assert_eq!(both, format!("{} {}", alone(&new), alone(&old)));
        assert_ne!(alone(&new), alone(&old));
    }
}
