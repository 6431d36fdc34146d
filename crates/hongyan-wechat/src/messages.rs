//! The bodies of the two sends in their JSON form.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::{OpenId, TemplateId};

/// The most fields of one message. WeChat's templates have up to ten; the limit keeps a hostile body cheap.
pub const MAX_FIELDS: usize = 64;

/// The text of one field, and for template messages its colour.
///
/// In JSON this is an object, `{"value":"…","color":"#173177"}`. A plain string or a number is accepted too, because
/// WeChat's own libraries let callers write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldValue {
    /// The text that the user reads.
    pub value: String,
    /// `#RRGGBB`; WeChat accepts a colour only in template messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

impl From<&str> for FieldValue {
    fn from(value: &str) -> Self {
        Self { value: value.to_owned(), color: None }
    }
}

impl From<String> for FieldValue {
    fn from(value: String) -> Self {
        Self { value, color: None }
    }
}

/// The fields of a message by name, in the order in which they were written.
///
/// In JSON this is an object. A duplicate name keeps its first place and its last value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, FieldValue)>);

impl Fields {
    /// The field of that name.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.0.iter().find_map(|(n, value)| (n == name).then_some(value))
    }

    /// Sets a field, at the end if it is new.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<FieldValue>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FieldValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// The body of `POST /cgi-bin/message/subscribe/send`.
///
/// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage.html>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeMessage {
    /// The receiver.
    pub touser: OpenId,
    /// The template.
    pub template_id: TemplateId,
    /// The page that opens when the user taps the message, with optional parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The contents.
    pub data: Fields,
    /// The version of the mini program that a tap opens; WeChat's default is the released version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miniprogram_state: Option<MiniprogramState>,
    /// The language of the words that WeChat adds; the default is Simplified Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
}

/// The body of `POST /cgi-bin/message/wxopen/template/send`.
///
/// Source: "templateMessage.send" of WeChat's server documentation, withdrawn with the capability on 2020-01-10.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateMessage {
    /// The receiver.
    pub touser: OpenId,
    /// The template.
    pub template_id: TemplateId,
    /// The page that opens when the user taps the message, with optional parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The right to send: the id of a submitted form, or the `prepay_id` of a payment.
    pub form_id: String,
    /// The contents.
    pub data: Fields,
    /// A colour that WeChat once used for the whole message and now ignores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// The field that is shown large, in the form `keyword1.DATA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emphasis_keyword: Option<String>,
}

/// The version of the mini program that a tap on a subscribe message opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MiniprogramState {
    /// The version in development.
    Developer,
    /// The version for testers.
    Trial,
    /// The released version.
    Formal,
}

/// The language of the words that WeChat adds to a subscribe message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lang {
    /// Simplified Chinese.
    #[serde(rename = "zh_CN")]
    ZhCn,
    /// English.
    #[serde(rename = "en_US")]
    EnUs,
    /// Traditional Chinese, Hong Kong.
    #[serde(rename = "zh_HK")]
    ZhHk,
    /// Traditional Chinese, Taiwan.
    #[serde(rename = "zh_TW")]
    ZhTw,
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of fields, such as {\"thing1\":{\"value\":\"…\"}}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<String, FieldValue>()? {
                    fields.set(name, value);
                    if fields.0.len() > MAX_FIELDS {
                        return Err(de::Error::custom(format_args!("at most {MAX_FIELDS} fields")));
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A string, or a number that is converted to a string.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor).map(|field| Self(field.value))
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldOrTextVisitor)
    }
}

/// Reads the strings and numbers that both forms of a field share.
struct FieldVisitor;

impl Visitor<'_> for FieldVisitor {
    type Value = FieldValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<FieldValue, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<FieldValue, E> {
        Ok(text.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<FieldValue, E> {
        Ok(number.to_string().into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<FieldValue, E> {
        Ok(number.to_string().into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<FieldValue, E> {
        Ok(number.to_string().into())
    }
}

/// Reads a field in either form.
struct FieldOrTextVisitor;

impl<'de> Visitor<'de> for FieldOrTextVisitor {
    type Value = FieldValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or {\"value\":\"…\",\"color\":\"…\"}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FieldValue, E> {
        FieldVisitor.visit_str(text)
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<FieldValue, E> {
        FieldVisitor.visit_string(text)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<FieldValue, E> {
        FieldVisitor.visit_i64(number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<FieldValue, E> {
        FieldVisitor.visit_u64(number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<FieldValue, E> {
        FieldVisitor.visit_f64(number)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldValue, A::Error> {
        #[derive(Deserialize)]
        struct Object {
            value: Text,
            #[serde(default)]
            color: Option<String>,
        }

        let object = Object::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(FieldValue { value: object.value.0, color: object.color })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscribe_message_reads_and_writes_in_its_order() {
        let json = concat!(
            r#"{"touser":"oABC","template_id":"T-1","page":"pages/index/index?a=1","#,
            r#""data":{"thing4":{"value":"取餐"},"date2":{"value":"2019年10月1日"}},"#,
            r#""miniprogram_state":"trial","lang":"zh_HK"}"#
        );
        let message: SubscribeMessage = serde_json::from_str(json).unwrap();
        assert_eq!(message.miniprogram_state, Some(MiniprogramState::Trial));
        assert_eq!(serde_json::to_string(&message).unwrap(), json);
    }

    #[test]
    fn a_template_message_reads_and_writes_in_its_order() {
        let json = concat!(
            r#"{"touser":"oABC","template_id":"T-1","form_id":"f1","#,
            r##""data":{"keyword2":{"value":"b","color":"#173177"},"keyword1":{"value":"a"}},"##,
            r#""emphasis_keyword":"keyword1.DATA"}"#
        );
        let message: TemplateMessage = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), json);
    }

    #[test]
    fn a_field_may_be_just_its_text_or_a_number() {
        let fields: Fields =
            serde_json::from_str(r#"{"thing1":"a","number2":{"value":7},"number3":-1,"number4":1.5}"#)
                .unwrap();
        let texts: Vec<_> = fields.iter().map(|(_, v)| v.value.as_str()).collect();
        assert_eq!(texts, ["a", "7", "-1", "1.5"]);
        assert!(serde_json::from_str::<Fields>(r#"{"thing1":null}"#).is_err());
        assert!(serde_json::from_str::<Fields>(r#"{"thing1":{"color":"red"}}"#).is_err());
    }

    #[test]
    fn a_name_written_twice_keeps_the_last_value() {
        let fields: Fields = serde_json::from_str(r#"{"thing1":"a","thing2":"b","thing1":"c"}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&fields).unwrap(),
            r#"{"thing1":{"value":"c"},"thing2":{"value":"b"}}"#
        );
    }

    #[test]
    fn too_many_fields_are_refused() {
        let many = |n: usize| {
            let entries: Vec<_> = (0..n).map(|i| format!("\"thing{i}\":\"a\"")).collect();
            serde_json::from_str::<Fields>(&format!("{{{}}}", entries.join(",")))
        };
        assert!(many(MAX_FIELDS).is_ok());
        assert!(many(MAX_FIELDS + 1).is_err());
    }
}
