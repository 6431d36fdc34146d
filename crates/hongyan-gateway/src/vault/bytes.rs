//! Random bytes and hashes, and their text forms.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// A random token: the prefix and 32 random bytes in base64url.
pub fn random_token(prefix: &str) -> SecretString {
    SecretString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<32>())))
}

/// SHA-256 of a token, which is what the database stores. A fast hash suffices for texts with 256 random bits, which cannot
/// be guessed; a password would need a slow hash.
pub fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("an operating system without random numbers cannot keep secrets");
    bytes
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_differ_and_do_not_print() {
        let (a, b) = (random_token("hyk_"), random_token("hyk_"));
        assert_ne!(a.expose_secret(), b.expose_secret());
        assert_eq!(a.expose_secret().len(), 4 + 43);
        assert!(!format!("{a:?}").contains("hyk_"));
    }
}
