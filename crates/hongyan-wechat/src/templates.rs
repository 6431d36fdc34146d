//! The templates of an app, as WeChat lists them.

use serde::de::DeserializeOwned;
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
    /// The template's id, which a send names.
    pub pri_tmpl_id: TemplateId,
    /// The title.
    pub title: String,
    /// One line per field, `label:{{thing1.DATA}}`; [`fields_of`](crate::fields_of) reads it.
    pub content: String,
    /// The same lines with sample values.
    #[serde(default)]
    pub example: String,
    /// [`ONCE`](Self::ONCE) or [`LONG_TERM`](Self::LONG_TERM).
    #[serde(rename = "type")]
    pub kind: i32,
    /// The allowed values of enumerated fields.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub keyword_enum_value_list: Vec<KeywordEnum>,
}

impl SubscribeTemplate {
    /// Each acceptance allows one message.
    pub const ONCE: i32 = 2;
    /// One acceptance allows any number of messages until the user withdraws it.
    pub const LONG_TERM: i32 = 3;

    /// The allowed values of the field with this name, if the template lists values.
    pub fn enum_values(&self, field: &str) -> Option<&[String]> {
        self.keyword_enum_value_list
            .iter()
            .find(|k| k.keyword_code.strip_suffix(".DATA").unwrap_or(&k.keyword_code) == field)
            .map(|k| k.enum_value_list.as_slice())
    }
}

/// The allowed values of one enumerated field.
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
    /// The template's id, which a send names.
    pub template_id: TemplateId,
    /// The title.
    pub title: String,
    /// One line per field, label and `{{keyword1.DATA}}`; [`fields_of`](crate::fields_of) reads it.
    pub content: String,
    /// The same lines with sample values.
    #[serde(default)]
    pub example: String,
}

/// The body of `POST /cgi-bin/wxopen/template/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTemplateListRequest {
    /// How many templates to skip.
    pub offset: u32,
    /// How many templates to return, at most [`LEGACY_PAGE`].
    pub count: u32,
}

/// The rest of the answer of `POST /cgi-bin/wxopen/template/list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTemplateList {
    /// This page of templates.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub list: Vec<LegacyTemplate>,
}

/// The body of `POST /wxaapi/newtmpl/addtemplate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddTemplateRequest {
    /// The public title.
    pub tid: String,
    /// The ids of its keywords, 2 to 5, in display order.
    pub kid_list: Vec<u32>,
    /// The purpose of the template, at most 15 characters.
    pub scene_desc: String,
}

/// The rest of the answer of `POST /wxaapi/newtmpl/addtemplate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddedTemplate {
    /// The template's id.
    pub pri_tmpl_id: TemplateId,
}

/// The body of `POST /wxaapi/newtmpl/deltemplate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteTemplateRequest {
    /// The template's id.
    pub pri_tmpl_id: TemplateId,
}

/// A service category of an app, of `GET /wxaapi/newtmpl/getcategory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its number.
    pub id: u64,
    /// Its name, in Chinese.
    pub name: String,
}

/// A title of the public library, of `GET /wxaapi/newtmpl/getpubtemplatetitles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicTitle {
    /// The id for [`AddTemplateRequest`].
    pub tid: u64,
    /// The title.
    pub title: String,
    /// [`SubscribeTemplate::ONCE`] or [`SubscribeTemplate::LONG_TERM`].
    #[serde(rename = "type")]
    pub kind: i32,
    /// The category that it belongs to.
    #[serde(default, deserialize_with = "text_or_number")]
    pub category_id: String,
}

/// The rest of the answer of `GET /wxaapi/newtmpl/getpubtemplatetitles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicTitles {
    /// The total number of titles.
    #[serde(default)]
    pub count: u64,
    /// This page of titles.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub data: Vec<PublicTitle>,
}

/// A keyword of a public title, of `GET /wxaapi/newtmpl/getpubtemplatekeywords`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyword {
    /// Its number, for [`AddTemplateRequest`].
    pub kid: u32,
    /// Its name.
    pub name: String,
    /// A sample value.
    #[serde(default)]
    pub example: String,
    /// The kind of the field that the keyword becomes: `thing`, `date`, ….
    #[serde(default)]
    pub rule: String,
}

/// An answer whose only member of interest is a list called `data`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(crate) struct DataList<T> {
    #[serde(default = "Vec::new", deserialize_with = "null_is_empty")]
    pub(crate) data: Vec<T>,
}

/// The body of `POST /cgi-bin/wxopen/template/add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyAddRequest {
    /// The public title.
    pub id: String,
    /// The ids of its keywords, at most 10, in display order.
    pub keyword_id_list: Vec<u32>,
}

/// The body of `POST /cgi-bin/wxopen/template/del`, and the rest of the answer of `…/add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTemplateId {
    /// The template's id.
    pub template_id: TemplateId,
}

/// A title of the public library of template messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTitle {
    /// The id for [`LegacyAddRequest`].
    pub id: String,
    /// The title.
    pub title: String,
}

/// The rest of the answer of `POST /cgi-bin/wxopen/template/library/list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTitles {
    /// The total number of titles.
    #[serde(default)]
    pub total_count: u64,
    /// This page of titles.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub list: Vec<LegacyTitle>,
}

/// The body of `POST /cgi-bin/wxopen/template/library/get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTitleRequest {
    /// The public title.
    pub id: String,
}

/// The rest of the answer of `POST /cgi-bin/wxopen/template/library/get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyKeywords {
    /// The title.
    #[serde(default)]
    pub title: String,
    /// Its keywords.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub keyword_list: Vec<LegacyKeyword>,
}

/// A keyword of a public title of template messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyKeyword {
    /// Its number, for [`LegacyAddRequest`].
    pub keyword_id: u32,
    /// Its name.
    pub name: String,
    /// A sample value.
    #[serde(default)]
    pub example: String,
}

/// WeChat's page says that this is a number; its samples have strings.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(u64),
    }
    Either::deserialize(deserializer).map(|either| match either {
        Either::Text(text) => text,
        Either::Number(number) => number.to_string(),
    })
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

    #[test]
    fn a_category_may_be_text_or_a_number() {
        for id in ["616", "\"616\""] {
            let json = format!(r#"{{"tid":99,"title":"t","type":2,"categoryId":{id}}}"#);
            assert_eq!(serde_json::from_str::<PublicTitle>(&json).unwrap().category_id, "616");
        }
    }
}
