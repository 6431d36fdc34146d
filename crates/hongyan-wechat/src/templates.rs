//! The templates of an app, as WeChat lists them.

use serde::{Deserialize, Deserializer, Serialize};

use crate::TemplateId;

/// How many legacy templates one page of the list has, at most. WeChat's limit.
pub const LEGACY_PAGE: u32 = 20;

/// A template of subscribe messages.
///
/// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_getwxapubnewtemplate.html>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeTemplate {
    /// What a send names.
    pub pri_tmpl_id: TemplateId,
    /// Its heading.
    pub title: String,
    /// One line per field, `label:{{thing1.DATA}}`; [`fields_of`](crate::fields_of) reads it.
    pub content: String,
    /// The same with sample values.
    #[serde(default)]
    pub example: String,
    /// [`ONCE`](Self::ONCE) or [`LONG_TERM`](Self::LONG_TERM).
    #[serde(rename = "type")]
    pub kind: i32,
    /// The values that enumerated fields may have.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub keyword_enum_value_list: Vec<KeywordEnum>,
}

impl SubscribeTemplate {
    /// Every acceptance allows one message.
    pub const ONCE: i32 = 2;
    /// One acceptance allows messages until it is withdrawn.
    pub const LONG_TERM: i32 = 3;

    /// The values that the field of that name may have, if the template lists them.
    pub fn enum_values(&self, field: &str) -> Option<&[String]> {
        self.keyword_enum_value_list
            .iter()
            .find(|k| k.keyword_code.strip_suffix(".DATA").unwrap_or(&k.keyword_code) == field)
            .map(|k| k.enum_value_list.as_slice())
    }
}

/// The values that one enumerated field may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeywordEnum {
    /// The values.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub enum_value_list: Vec<String>,
    /// The field, as `enum1` or `enum1.DATA`.
    pub keyword_code: String,
}

/// The rest of the answer of `GET /wxaapi/newtmpl/gettemplate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeTemplateList {
    /// All templates of the app.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub data: Vec<SubscribeTemplate>,
}

/// A template of template messages.
///
/// Source: "templateMessage.getTemplateList" of WeChat's server documentation, withdrawn with the capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTemplate {
    /// What a send names.
    pub template_id: TemplateId,
    /// Its heading.
    pub title: String,
    /// One line per field, label and `{{keyword1.DATA}}`; [`fields_of`](crate::fields_of) reads it.
    pub content: String,
    /// The same with sample values.
    #[serde(default)]
    pub example: String,
}

/// The body of `POST /cgi-bin/wxopen/template/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTemplateListRequest {
    /// How many templates to leave out.
    pub offset: u32,
    /// How many to give, at most [`LEGACY_PAGE`].
    pub count: u32,
}

/// The rest of the answer of `POST /cgi-bin/wxopen/template/list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTemplateList {
    /// This page of templates.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub list: Vec<LegacyTemplate>,
}

/// WeChat writes `null` for some empty lists.
fn null_is_empty<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscribe_template_has_wechats_names() {
        let json = concat!(
            r#"{"priTmplId":"T-1","title":"取餐提醒","content":"状态:{{enum1.DATA}}\n","example":"状态:好\n","type":2,"#,
            r#""keywordEnumValueList":[{"enumValueList":["好","坏"],"keywordCode":"enum1.DATA"}]}"#
        );
        let template: SubscribeTemplate = serde_json::from_str(json).unwrap();
        assert_eq!(template.kind, SubscribeTemplate::ONCE);
        assert_eq!(template.enum_values("enum1").unwrap(), ["好", "坏"]);
        assert_eq!(template.enum_values("thing1"), None);
        assert_eq!(serde_json::to_string(&template).unwrap(), json);
    }

    #[test]
    fn an_empty_list_may_be_null_or_missing() {
        assert!(serde_json::from_str::<SubscribeTemplateList>(r#"{"data":null}"#).unwrap().data.is_empty());
        assert!(serde_json::from_str::<LegacyTemplateList>("{}").unwrap().list.is_empty());
    }
}
