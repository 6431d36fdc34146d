//! WeChat's signature: SHA-1 over the sorted texts.

use crate::digest::{is_same, sha1_hex};

/// The signature over these texts, in lower-case hexadecimal. The texts are token, timestamp and nonce, and in compatible
/// and safe mode also the encrypted message.
pub fn sign(texts: &[&str]) -> String {
    let mut sorted = texts.to_vec();
    sorted.sort_unstable();
    sha1_hex(&sorted)
}

/// Whether this is the signature over these texts. The comparison takes constant time.
pub fn is_signed(signature: &str, texts: &[&str]) -> bool {
    is_same(signature, &sign(texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_texts_does_not_matter() {
        let signature = sign(&["token", "17", "12345"]);
        assert_eq!(signature, sign(&["12345", "token", "17"]));
        // Made by `printf %s 1234517token | sha1sum`.
        assert_eq!(signature, "2c17967cc5361f206111c075b31bd69a0275ecf0");
    }

    #[test]
    fn only_the_whole_signature_will_do() {
        let texts = ["token", "1409735669", "nonce"];
        let signature = sign(&texts);
        assert!(is_signed(&signature, &texts));
        assert!(!is_signed(&signature[..39], &texts));
        assert!(!is_signed("", &texts));
        assert!(!is_signed(&signature, &["token", "1409735670", "nonce"]));
    }
}
