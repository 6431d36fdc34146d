//! Recognizes repeated events.
//!
//! WeChat repeats an event until it is answered. Each repeat has a new timestamp and nonce, and in safe mode a new
//! encryption. Only the content stays the same.

use hongyan_wechat::AppId;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// SHA-256 over an app and the content of a push. XML and JSON of the same content have the same digest.
pub(super) fn digest(appid: &AppId, content: &Map<String, Value>) -> [u8; 32] {
    let mut hash = Sha256::new();
    text(&mut hash, appid.as_str());
    object(&mut hash, content);
    hash.finalize().into()
}

/// SHA-256 over a request's timestamp and nonce, which must not be reused. The app is not included: apps with the same token
/// accept the same signatures, and a signature for one app must not be usable for another.
pub(super) fn nonce_hash(timestamp: &str, nonce: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [timestamp, nonce] {
        text(&mut hash, part);
    }
    hash.finalize().into()
}

/// Hashes a text with its length, so that different contents never hash the same bytes.
fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

fn object(hash: &mut Sha256, members: &Map<String, Value>) {
    let mut names: Vec<_> = members.keys().collect();
    names.sort_unstable();
    hash.update([b'{']);
    hash.update((names.len() as u64).to_le_bytes());
    for name in names {
        text(hash, name);
        value(hash, &members[name]);
    }
}

fn value(hash: &mut Sha256, of: &Value) {
    match of {
        Value::Object(members) => object(hash, members),
        Value::Array(items) => {
            hash.update([b'[']);
            hash.update((items.len() as u64).to_le_bytes());
            for item in items {
                value(hash, item);
            }
        }
        // XML has no numbers, so a number and its text are the same.
        Value::String(word) => text(hash, word),
        other => text(hash, &other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use hongyan_wechat::callback::parse_document;

    use super::*;

    fn of(document: &str) -> [u8; 32] {
        digest(&"wx1".parse().unwrap(), &parse_document(document.as_bytes()).unwrap())
    }

    #[test]
    fn the_form_does_not_matter_and_the_content_does() {
        let xml = of("<xml><A>1</A><B><C>x</C></B></xml>");
        assert_eq!(xml, of(r#"{"B": {"C": "x"}, "A": 1}"#));
        assert_ne!(xml, of("<xml><A>1</A><B><C>y</C></B></xml>"));
        assert_ne!(xml, of("<xml><A>1</A><B>x</B></xml>"));
        assert_ne!(of(r#"{"A": "1", "B": "2"}"#), of(r#"{"A": "1B2"}"#));
        assert_ne!(of(r#"{"A": ["1", "2"]}"#), of(r#"{"A": ["12"]}"#));
        let content = parse_document(b"<xml/>").unwrap();
        assert_ne!(digest(&"wx1".parse().unwrap(), &content), digest(&"wx2".parse().unwrap(), &content));
    }
}
