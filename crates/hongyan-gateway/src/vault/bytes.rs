//! Random bytes and hashes, and their text forms.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::config::Why;

/// A random token: the prefix and 32 random bytes in base64url.
pub fn random_token(prefix: &str) -> SecretString {
    SecretString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<32>())))
}

/// The number of different bytes that 32 random bytes have at least. Fewer are found in one of 10^13 random tokens.
const DIFFERENT_BYTES: usize = 20;

/// Checks that a text which a person gives in place of [`random_token`] has its form, and that its bytes look random.
/// A repeated or counted-up text, or a text in small letters alone, does not.
///
/// # Errors
/// What the text must be. The error does not repeat the text.
pub fn check_token(prefix: &str, text: &str) -> Result<(), Why> {
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    let bytes: Option<[u8; 32]> = URL_SAFE_NO_PAD.decode(rest).ok().and_then(|bytes| bytes.try_into().ok());
    let command = format!("echo \"{prefix}$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=')\"");
    let Some(bytes) = bytes else { return Err(Why::NoToken { prefix: prefix.to_owned(), command }) };
    // Words have one case. Of 10^8 random tokens one has fewer than two letters of a case.
    let has_two = |is: fn(&u8) -> bool| rest.bytes().filter(is).count() >= 2;
    let looks_random =
        looks_random(&bytes) && has_two(u8::is_ascii_uppercase) && has_two(u8::is_ascii_lowercase);
    if looks_random { Ok(()) } else { Err(Why::NotRandom { command }) }
}

/// Whether so many bytes differ, and the steps between neighbours do too.
pub(crate) fn looks_random(bytes: &[u8]) -> bool {
    // Fewer than 32 bytes have proportionally fewer different bytes.
    let least = bytes.len().min(32) * DIFFERENT_BYTES / 32;
    let values: BTreeSet<u8> = bytes.iter().copied().collect();
    let steps: BTreeSet<u8> = bytes.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    values.len() >= least && steps.len() >= least.saturating_sub(1)
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

    #[test]
    fn a_token_that_a_person_gives_must_look_like_a_real_one() {
        for _ in 0..1_000 {
            check_token("hyk_", random_token("hyk_").expose_secret()).unwrap();
        }
        let counted: Vec<u8> = (0..32).collect();
        for (text, words) in [
            (String::new(), "43 characters"),
            ("secret".into(), "43 characters"),
            (format!("hyg_{}", "aB3".repeat(20)), "43 characters"),
            (random_token("hyg_").expose_secret().to_owned(), "43 characters"),
            (format!("hyk_{}", &"correcthorsebatterystaple".repeat(2)[..43]), "43 characters"),
            (format!("hyk_{}A", &"correcthorsebatterystaple".repeat(2)[..42]), "not random"),
            (format!("hyk_{}", "A".repeat(43)), "not random"),
            (format!("hyk_{}", URL_SAFE_NO_PAD.encode(counted)), "not random"),
            (
                format!("hyk_{}", URL_SAFE_NO_PAD.encode([1, 35, 69, 103, 137, 171, 205, 239].repeat(4))),
                "not random",
            ),
        ] {
            let refused = check_token("hyk_", &text).unwrap_err().to_string();
            assert!(refused.contains(words), "{text}: {refused}");
            assert!(text.is_empty() || !refused.contains(&text), "{refused}");
        }
    }
}
