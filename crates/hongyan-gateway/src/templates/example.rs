//! A complete sample message for a template, to copy and to send.

use hongyan_ledger::Channel;
use hongyan_wechat::{FieldKind, check_field, examples_of};
use serde_json::{Map, Value, json};

use super::Template;

/// Stands for the user. The caller replaces it.
const USER: &str = "OPENID";

/// The value of a field of which only the name is known.
const ANY: &str = "示例";

impl Template {
    /// The API's name of the channel: `legacy`, `once` or `long_term`.
    pub fn kind(&self) -> &'static str {
        match (self.record.channel, self.record.long_term) {
            (Channel::Legacy, _) => "legacy",
            (Channel::Subscribe, false) => "once",
            (Channel::Subscribe, true) => "long_term",
        }
    }

    /// A valid value for each field, in the template's order: WeChat's sample if it is valid.
    pub fn sample_values(&self) -> Vec<(String, String)> {
        let record = &self.record;
        let samples = examples_of(&record.content, &record.example);
        let value = |name: &str| {
            let listed = record.enums.get(name).map(Vec::as_slice);
            let sample = samples.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
            let first = || listed.and_then(|values| values.first().cloned());
            sample
                .filter(|sample| check_field(name, sample, listed).is_ok())
                .or_else(first)
                .unwrap_or_else(|| FieldKind::of(name).map_or(ANY, FieldKind::example).to_owned())
        };
        self.fields.iter().map(|field| (field.name.clone(), value(&field.name))).collect()
    }

    /// A body for `POST /v1/messages`.
    pub fn sample_message(&self) -> Value {
        let data: Map<String, Value> =
            self.sample_values().into_iter().map(|(name, value)| (name, value.into())).collect();
        json!({
            "app": self.record.appid,
            "to": USER,
            "template": self.record.template_id,
            "data": data,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hongyan_store::types::TemplateRecord;

    use super::*;

    #[test]
    fn wechats_samples_are_taken_where_they_keep_the_rules() {
        let template = Template::from(TemplateRecord {
            appid: "wx0123456789abcdef".parse().unwrap(),
            template_id: "t".parse().unwrap(),
            channel: Channel::Subscribe,
            long_term: true,
            title: "t".into(),
            content: "单号:{{character_string1.DATA}}\n时间:{{date2.DATA}}\n状态:{{enum3.DATA}}\n".into(),
            example: "单号:A038\n时间:很快\n状态:很好\n".into(),
            enums: BTreeMap::from([("enum3".to_owned(), vec!["好".to_owned()])]),
        });
        assert_eq!(template.kind(), "long_term");
        let sample = template.sample_message();
        assert_eq!(
            sample["data"],
            json!({ "character_string1": "A038", "date2": FieldKind::Date.example(), "enum3": "好" })
        );
    }

    #[test]
    fn every_kind_has_an_example_that_keeps_its_rule() {
        for (word, kind) in FieldKind::WORDS {
            assert!(check_field(&format!("{word}1"), kind.example(), None).is_ok(), "{word}");
        }
    }
}
