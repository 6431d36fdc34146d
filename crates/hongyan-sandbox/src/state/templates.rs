//! The templates of an app, of both families.

use std::fmt::Write as _;
use std::sync::Arc;

use hongyan_wechat::{KeywordEnum, LegacyTemplate, SubscribeTemplate, TemplateId, fields_of};
use serde::{Deserialize, Serialize};

use crate::random;

/// The most templates of an app in each family.
pub(crate) const MAX_TEMPLATES: usize = 50;

/// Which message a template is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Family {
    /// Template messages, which need a form id.
    Legacy,
    /// Subscribe messages, one message for each acceptance.
    Once,
    /// Subscribe messages, any number after one acceptance.
    LongTerm,
}

/// A template.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) id: TemplateId,
    pub(crate) family: Family,
    pub(crate) title: Arc<str>,
    pub(crate) fields: Vec<Field>,
}

/// A field of a template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Field {
    /// `thing1`, `keyword2`, …
    pub(crate) name: Arc<str>,
    /// The label before the value.
    pub(crate) label: Arc<str>,
    /// The value in the template's sample.
    #[serde(default)]
    pub(crate) example: String,
    /// The allowed values of an `enum` field; empty for other fields.
    #[serde(default)]
    pub(crate) enum_values: Vec<String>,
}

impl Field {
    pub(crate) fn new(name: &str, label: &str, example: &str) -> Self {
        Self { name: name.into(), label: label.into(), example: example.into(), enum_values: Vec::new() }
    }
}

impl Template {
    /// Reads the fields from a content in WeChat's form, one line `label:{{thing1.DATA}}` for each field.
    pub(crate) fn fields_from(content: &str) -> Vec<Field> {
        fields_of(content).iter().map(|f| Field::new(&f.name, &f.label, "")).collect()
    }

    /// The template in the form of `GET /wxaapi/newtmpl/gettemplate`; `None` for a legacy template.
    pub(crate) fn to_subscribe(&self) -> Option<SubscribeTemplate> {
        let kind = match self.family {
            Family::Legacy => return None,
            Family::Once => SubscribeTemplate::ONCE,
            Family::LongTerm => SubscribeTemplate::LONG_TERM,
        };
        let keyword_enum_value_list = self
            .fields
            .iter()
            .filter(|f| !f.enum_values.is_empty())
            .map(|f| KeywordEnum {
                enum_value_list: f.enum_values.clone(),
                keyword_code: format!("{}.DATA", f.name),
            })
            .collect();
        Some(SubscribeTemplate {
            pri_tmpl_id: self.id.clone(),
            title: self.title.to_string(),
            content: self.content(),
            example: self.example(),
            kind,
            keyword_enum_value_list,
        })
    }

    /// The template in the form of `POST /cgi-bin/wxopen/template/list`; `None` for a subscribe template.
    pub(crate) fn to_legacy(&self) -> Option<LegacyTemplate> {
        (self.family == Family::Legacy).then(|| LegacyTemplate {
            template_id: self.id.clone(),
            title: self.title.to_string(),
            content: self.content(),
            example: self.example(),
        })
    }

    /// One line per field, in WeChat's two forms.
    pub(crate) fn content(&self) -> String {
        let colon = if self.family == Family::Legacy { "" } else { ":" };
        self.lines(|text, field| write!(text, "{}{colon}{{{{{}.DATA}}}}", field.label, field.name))
    }

    fn example(&self) -> String {
        self.lines(|text, field| write!(text, "{}:{}", field.label, field.example))
    }

    fn lines(&self, write_line: impl Fn(&mut String, &Field) -> std::fmt::Result) -> String {
        let mut text = String::new();
        for field in &self.fields {
            write_line(&mut text, field).expect("writing to a string cannot fail");
            text.push('\n');
        }
        text
    }
}

/// A new id, as long as WeChat's.
pub(crate) fn new_template_id() -> TemplateId {
    TemplateId::try_from(random::alphanumeric(43)).expect("43 letters and digits are a template id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(family: Family, fields: Vec<Field>) -> Template {
        Template { id: "T-1".parse().unwrap(), family, title: "取餐提醒".into(), fields }
    }

    #[test]
    fn each_family_writes_its_content_as_wechat_does() {
        let once = template(Family::Once, vec![Field::new("thing1", "商品", "咖啡")]);
        let listed = once.to_subscribe().unwrap();
        assert_eq!(
            (listed.content.as_str(), listed.example.as_str()),
            ("商品:{{thing1.DATA}}\n", "商品:咖啡\n")
        );
        assert!(once.to_legacy().is_none());
        let legacy = template(Family::Legacy, vec![Field::new("keyword1", "商品", "咖啡")]);
        assert_eq!(legacy.to_legacy().unwrap().content, "商品{{keyword1.DATA}}\n");
        assert!(legacy.to_subscribe().is_none());
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let fields = vec![Field::new("thing1", "商品", ""), Field::new("date2", "日期", "")];
        let read = Template::fields_from(&template(Family::LongTerm, fields).content());
        assert_eq!((&*read[0].name, &*read[0].label), ("thing1", "商品"));
        assert_eq!((&*read[1].name, &*read[1].label), ("date2", "日期"));
    }
}
