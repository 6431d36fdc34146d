//! WeChat's signatures, of pushes and of user data: SHA-1 in hexadecimal. What they are over differs.

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// SHA-1 over these texts, one behind the other, in lower-case hexadecimal.
pub(crate) fn sha1_hex(texts: &[&str]) -> String {
    let mut hash = Sha1::new();
    for text in texts {
        hash.update(text);
    }
    hash.finalize().iter().fold(String::with_capacity(40), |mut hex, byte| {
        for digit in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(digit), 16).expect("four bits are a digit"));
        }
        hex
    })
}

/// Whether two signatures are the same. Takes as long for a nearly right one as for a wrong one.
pub(crate) fn is_same(given: &str, right: &str) -> bool {
    given.as_bytes().ct_eq(right.as_bytes()).into()
}
