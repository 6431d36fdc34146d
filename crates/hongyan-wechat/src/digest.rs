//! WeChat's signatures, of pushes and of user data: SHA-1 in hexadecimal. What they are over differs.

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// SHA-1 over these texts, one behind the other, in lower-case hexadecimal.
pub(crate) fn sha1_hex(texts: &[&str]) -> String {
    let mut hash = Sha1::new();
    for text in texts {
        hash.update(text);
    }
    hex::encode(hash.finalize())
}

/// Whether two signatures are the same. Takes as long for a nearly right one as for a wrong one.
pub(crate) fn is_same(given: &str, right: &str) -> bool {
    given.as_bytes().ct_eq(right.as_bytes()).into()
}
