//! The members of a JSON object, read without parsing their values.
//!
//! WeChat judges what a caller sends to it through the gateway. So the members keep their original text, and only the
//! members that the gateway itself needs are parsed. Nothing is built from the rest, so an object of any shape takes no more
//! memory than its text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members in their order. A repeated member has its first place and its last value, as at WeChat.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Parses an object.
    ///
    /// # Errors
    /// When the bytes are not a JSON object. The error quotes nothing of the bytes.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The original text of a member.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find_map(|(other, value)| (other == name).then_some(*value))
    }

    /// A member, if it can be read as this type.
    pub(crate) fn read_as<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// The text of a member; `None` also if it is null, empty, or not a string.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.read_as::<String>(name).filter(|text| !text.is_empty())
    }

    /// Names and values in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The object as JSON, without some members and with new texts for others.
    pub(crate) fn written(&self, without: &[&str], texts: &[(&str, &str)]) -> Vec<u8> {
        let mut json = vec![b'{'];
        for (name, value) in self.iter().filter(|(name, _)| !without.contains(name)) {
            if json.len() > 1 {
                json.push(b',');
            }
            write_text(&mut json, name);
            json.push(b':');
            match texts.iter().find(|(other, _)| *other == name) {
                Some((_, text)) => write_text(&mut json, text),
                None => json.extend_from_slice(value.get().as_bytes()),
            }
        }
        json.push(b'}');
        json
    }
}

fn write_text(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a text always serializes, and a vector takes it");
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Self::Value = Vec::new();
                // Found by name with a map, because a hostile object may have ten thousand members.
                let mut places = std::collections::HashMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    match places.get(&name) {
                        Some(at) => {
                            let member: &mut (String, &RawValue) = &mut members[*at];
                            member.1 = value;
                        }
                        None => {
                            places.insert(name.clone(), members.len());
                            members.push((name, value));
                        }
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_looked_into_keeps_its_bytes() {
        let json = br#"{"a": 1.50, "b": {"x":[ 1 ]}, "c\"": "\ud83d", "n": 12345678901234567890123}"#;
        let members = Members::read(json).unwrap();
        assert_eq!(
            String::from_utf8(members.written(&["b"], &[("a", "s\"")])).unwrap(),
            r#"{"a":"s\"","c\"":"\ud83d","n":12345678901234567890123}"#
        );
        assert_eq!(members.written(&["a", "b", "c\"", "n"], &[]), b"{}");
    }

    #[test]
    fn only_a_text_with_something_in_it_is_a_text() {
        let members =
            Members::read(br#"{"a":"x","b":"","c":null,"d":5,"e":{},"f":"\ud83d","a":"y"}"#).unwrap();
        assert_eq!(members.text("a").as_deref(), Some("y"), "the last value counts");
        assert_eq!(members.written(&["b", "c", "d", "e", "f"], &[]), br#"{"a":"y"}"#);
        for name in ["b", "c", "d", "e", "f", "g"] {
            assert_eq!(members.text(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in ["", "[]", "null", "1", "\"a\"", "{", "{\"a\":1,}", "{\"a\":1}x", "{\"a\":\"\n\"}"] {
            assert!(Members::read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Members::read(b"{\"a\":\"\xff\"}").is_err());
    }
}
