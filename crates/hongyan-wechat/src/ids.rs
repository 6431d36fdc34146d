//! WeChat's three identifiers, which every request contains.
//!
//! Each identifier has a type, so an openid cannot be passed as a template. Identifiers are checked once, when they enter
//! the program: later code need not escape or check them again. A clone copies a pointer.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest accepted identifier, in characters. WeChat's identifiers have 18 (appid), 28 (openid) and 43 (template)
/// characters today; the rest is room for the future.
pub const MAX_ID_CHARS: usize = 64;

/// A text that is not an identifier.
///
/// The error names the kind of identifier and the rule, never the text: the text may be an openid, or a secret in the
/// wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {kind} must be 1 to {MAX_ID_CHARS} letters, digits, - or _ (this text has {chars} characters)")]
pub struct InvalidId {
    /// Which identifier was expected: `appid`, `openid` or `template`.
    pub kind: &'static str,
    /// How many characters the text has.
    pub chars: usize,
}

fn check(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(good) {
        Ok(())
    } else {
        Err(InvalidId { kind, chars: text.chars().count() })
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            /// The full text.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check($kind, text).map(|()| Self(Arc::from(text)))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidId;

            fn try_from(text: &str) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                check($kind, &text).map(|()| Self(Arc::from(text)))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        /// Lets a `&str` look up a map with this identifier as key; equality, order and hash are the text's.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{}: 1 to {MAX_ID_CHARS} letters, digits, - or _", $kind)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

identifier!(
    /// One mini program, as WeChat names it (`wx…`).
    ///
    /// Source: "AppID" on <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getaccesstoken.html>.
    AppId,
    "appid"
);
identifier!(
    /// One user of one mini program. [`Debug`](fmt::Debug) shows only the first four and last two characters, so that no
    /// log line contains a whole openid; [`Display`](fmt::Display) shows the whole openid.
    ///
    /// Source: `openid` on <https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session.html>.
    OpenId,
    "openid"
);
identifier!(
    /// One message layout of one mini program: `template_id` of a template message, `priTmplId` of a
    /// subscribe message.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_getwxapubnewtemplate.html>.
    TemplateId,
    "template"
);

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppId({})", self.0)
    }
}

impl fmt::Debug for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemplateId({})", self.0)
    }
}

impl fmt::Debug for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Six visible characters of fewer than twelve would reveal most of the openid.
        if self.0.len() < 12 {
            return f.write_str("OpenId(…)");
        }
        // The text is ASCII, so every byte is a character.
        write!(f, "OpenId({}…{})", &self.0[..4], &self.0[self.0.len() - 2..])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_identifier_is_one_to_64_of_its_characters() {
        assert_eq!("wx_A-9".parse::<AppId>().unwrap().as_str(), "wx_A-9");
        assert!(AppId::try_from("a".repeat(64)).is_ok());
        for bad in ["", " ", "wx 1", "wx1\n", "鸿雁", "a/b", "a%20", &"a".repeat(65)] {
            assert!(AppId::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_error_names_the_rule_and_not_the_text() {
        let error = OpenId::try_from("o 1234567890abcdef").unwrap_err().to_string();
        assert_eq!(error, "the openid must be 1 to 64 letters, digits, - or _ (this text has 18 characters)");
    }

    #[test]
    fn an_openid_is_never_whole_in_a_log() {
        let openid: OpenId = "oABCdefghijklmnopqrstuvwxyz1".parse().unwrap();
        assert_eq!(format!("{openid:?}"), "OpenId(oABC…z1)");
        assert_eq!(openid.to_string(), "oABCdefghijklmnopqrstuvwxyz1");
        assert_eq!(format!("{:?}", OpenId::try_from("oABCde").unwrap()), "OpenId(…)");
    }

    #[test]
    fn json_holds_a_plain_string_and_is_checked() {
        let template: TemplateId = serde_json::from_str("\"zun-Lz_cQ\"").unwrap();
        assert_eq!(serde_json::to_string(&template).unwrap(), "\"zun-Lz_cQ\"");
        assert!(serde_json::from_str::<TemplateId>("\"a b\"").is_err());
        assert!(serde_json::from_str::<TemplateId>("7").is_err());
    }

    #[test]
    fn a_map_can_be_asked_with_plain_text() {
        let map = HashMap::from([("wx1".parse::<AppId>().unwrap(), 1)]);
        assert_eq!(map.get("wx1"), Some(&1));
    }

    proptest! {
        #[test]
        fn what_is_accepted_comes_back_as_it_was(text in "[A-Za-z0-9_-]{1,64}") {
            let id: OpenId = text.parse().unwrap();
            prop_assert_eq!(id.to_string(), text.clone());
            prop_assert_eq!(serde_json::from_str::<OpenId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }
    }
}
