//! What the fields of a message may contain.
//!
//! A field's name is its kind and a number: `thing1`, `date2`, `phone_number3`. WeChat refuses a message (47003) if a
//! field breaks the rule of its kind, and the refusal comes after a permit was chosen and the request was made. The check
//! here refuses such a message early, with words that say what is wrong.
//!
//! Two decisions. **Characters are Unicode scalar values**: `好` and `a` count one each, and an emoji counts as many as it
//! is composed of. WeChat's table says "characters" without a definition; this count refuses nothing that WeChat may
//! accept. If WeChat counts UTF-16 units, as JavaScript does, the counts differ for emoji only: [`may_be_too_long`]
//! detects this, and the result of [`shortened_to_fit`] fits by either count. **Only values that WeChat is known to
//! refuse are refused here**: by WeChat's table, or because somebody saw a refusal. Where WeChat's documents are vague, a
//! value passes, and [`is_undocumented`] says so: WeChat decides, and a message that WeChat would accept must not be lost
//! here.
//!
//! | file | has |
//! | --- | --- |
//! | `mod.rs` | [`check_field`]: one field of a message against its rule |
//! | `kind.rs` | [`FieldKind`]: the kinds, and their rules in words |
//! | `verdict.rs` | how WeChat treats a value: good, bad, or unknown |
//! | `values.rs`, `moments.rs` | the rules as functions; those of times and dates |
//! | `loose.rs` | times and dates that WeChat does not describe; WeChat decides |
//! | `calendar.rs` | the parts of times and dates |
//! | `why.rs` | [`Why`]: what is wrong with one value, in words |
//! | `shorten.rs` | [`shortened_to_fit`]: which kinds may be cut to their length, and how |
//! | `template.rs` | [`fields_of`]: which fields a template has, and [`examples_of`]: WeChat's sample values |
//! | `form_id.rs` | [`is_mock_form_id`] |
//!
//! Source: the table of field kinds of
//! <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage.html>.

mod calendar;
mod form_id;
mod kind;
mod loose;
mod moments;
mod shorten;
mod template;
mod values;
mod verdict;
mod why;

use std::fmt;

use verdict::Verdict;

use crate::beginning;

pub use form_id::is_mock_form_id;
pub use kind::{FieldKind, MAX_KEYWORD_CHARS};
pub use shorten::{may_be_too_long, shortened_to_fit};
pub use template::{TemplateField, examples_of, fields_of};
pub use why::Why;

/// A field that breaks its rule. The error names the field and the rule, never the whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name; shortened if it is too long for a name.
    pub field: String,
    /// The field's kind. `None` if this crate does not know the name, and so knows no rule.
    pub kind: Option<FieldKind>,
    /// The rule, in English.
    pub rule_en: String,
    /// The rule, in Chinese.
    pub rule_zh: String,
    /// What is wrong with the value.
    pub why: Why,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.rule_en)
    }
}

impl std::error::Error for FieldProblem {}

/// Checks one field of a message.
///
/// `enum_values` are the values that the template lists for this field
/// ([`SubscribeTemplate::enum_values`](crate::SubscribeTemplate::enum_values)). If the template lists values, the value
/// must be one of them, whatever the kind.
///
/// # Errors
/// When the value breaks the rule of its kind, or when WeChat documents no such name. A caller that finds the name in the
/// template can recognise the second case by `kind == None` and let WeChat decide.
pub fn check_field(name: &str, value: &str, enum_values: Option<&[String]>) -> Result<(), FieldProblem> {
    let Some(kind) = FieldKind::of(name) else {
        return Err(FieldProblem {
            field: shortened(name),
            kind: None,
            rule_en: "a field's name is its kind and a number, such as thing1, date2 or keyword1".to_owned(),
            rule_zh: "字段名由类型和数字组成，如 thing1、date2 或 keyword1".to_owned(),
            why: Why::UnknownKind,
        });
    };
    let good = match enum_values {
        Some(values) => values.iter().any(|v| v == value),
        None => values::judge(kind, value) != Verdict::Bad,
    };
    if good {
        return Ok(());
    }
    Err(FieldProblem {
        field: shortened(name),
        kind: Some(kind),
        rule_en: if enum_values.is_some() { FieldKind::Enum } else { kind }.rule_en().to_owned(),
        rule_zh: if enum_values.is_some() { FieldKind::Enum } else { kind }.rule_zh().to_owned(),
        why: if enum_values.is_some() { Why::NotListed } else { Why::of(kind, value) },
    })
}

/// Whether a value that passes [`check_field`] has a form that WeChat's table does not describe and that was not seen to
/// be refused: WeChat decides.
pub fn is_undocumented(name: &str, value: &str) -> bool {
    FieldKind::of(name).is_some_and(|kind| values::judge(kind, value) == Verdict::Undocumented)
}

/// A name is the caller's text and goes into answers and logs, so it is cut to the length of a name.
fn shortened(name: &str) -> String {
    const MAX_NAME_CHARS: usize = 32;
    beginning(name, MAX_NAME_CHARS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_takes_its_longest_value_and_not_one_character_more() {
        let rows = [
            ("thing", "好", 20),
            ("number", "9", 32),
            ("letter", "z", 32),
            ("symbol", "!", 5),
            ("character_string", "x", 32),
            ("amount", "9", 10),
            ("phone_number", "1", 17),
            ("car_number", "A", 8),
            ("name", "王", 10),
            ("name", "x", 20),
            ("phrase", "好", 5),
            ("enum", "好", MAX_KEYWORD_CHARS),
            ("keyword", "好", MAX_KEYWORD_CHARS),
        ];
        for (word, char, most) in rows {
            let check = |chars: usize| check_field(&format!("{word}1"), &char.repeat(chars), None);
            assert!(check(1).is_ok() && check(most).is_ok(), "{word}: {most}");
            assert!(check(most + 1).is_err(), "{word}: {}", most + 1);
        }
        for (word, kind) in FieldKind::WORDS {
            let empty = check_field(&format!("{word}1"), "", None);
            assert_eq!(empty.is_ok(), *kind == FieldKind::Keyword, "{word}");
            assert!(rows.iter().any(|(row, ..)| row == word) || matches!(*word, "time" | "date"), "{word}");
        }
    }

    #[test]
    fn a_problem_says_the_rule_and_not_the_value() {
        let problem = check_field("thing1", &"secret".repeat(4), None).unwrap_err();
        assert_eq!(problem.to_string(), "thing1: 1 to 20 characters, no line breaks");
        assert_eq!(problem.kind, Some(FieldKind::Thing));
    }

    #[test]
    fn an_unknown_name_is_a_problem_without_a_kind() {
        let problem = check_field(&"x".repeat(500), "a", None).unwrap_err();
        assert_eq!(problem.kind, None);
        assert_eq!(problem.field.chars().count(), 33);
    }

    #[test]
    fn a_listed_field_takes_only_what_the_template_lists() {
        let listed = ["好".to_owned(), "坏".to_owned()];
        assert!(check_field("enum1", "好", Some(&listed)).is_ok());
        assert!(check_field("phrase1", "坏", Some(&listed)).is_ok());
        let problem = check_field("phrase1", "普通", Some(&listed)).unwrap_err();
        assert_eq!(problem.to_string(), "phrase1: one of the values that the template lists");
        assert!(check_field("enum1", "任意", None).is_ok(), "without a list WeChat decides");
        assert!(check_field("enum1", "", None).is_err());
    }

    proptest! {
        #[test]
        fn a_thing_passes_exactly_up_to_20_characters(text in "[a-z0-9好雁，!]{1,40}") {
            prop_assert_eq!(check_field("thing1", &text, None).is_ok(), text.chars().count() <= 20);
        }

        #[test]
        fn no_text_makes_a_check_panic(name in "[a-z_]{0,16}[0-9]{0,2}", text in ".{0,40}") {
            let _ = check_field(&name, &text, None);
            for (word, _) in FieldKind::WORDS {
                let _ = check_field(&format!("{word}1"), &text, None);
            }
        }
    }
}
