//! WeChat's signatures of pushes and of user data: SHA-1 in hexadecimal, over different texts.

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// SHA-1 over the concatenation of these texts, in lower-case hexadecimal.
pub(crate) fn sha1_hex(texts: &[&str]) -> String {
    let mut hash = Sha1::new();
    for text in texts {
        hash.update(text);
    }
    hex::encode(hash.finalize())
}

/// Whether two signatures are equal. The comparison takes constant time.
pub(crate) fn is_same(given: &str, right: &str) -> bool {
    given.as_bytes().ct_eq(right.as_bytes()).into()
}
