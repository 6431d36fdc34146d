//! What the fields of a message may hold.
//!
//! A field's name is its kind and a number: `thing1`, `date2`, `phone_number3`. WeChat refuses a message (47003)
//! whose field breaks the rule of its kind, after the permit was picked and the request was made. Checking here
//! refuses it at the door, with words that say what is wrong.
//!
//! Two habits. **Characters are Unicode scalar values**: `好` and `a` count one each, and an emoji counts as many
//! as it is composed of. WeChat's table says "characters" and not which; counted so, nothing is refused that WeChat
//! may take. Should it count UTF-16 units, as JavaScript does, the two differ for emoji only: [`may_be_too_long`]
//! knows of it, and what [`shortened_to_fit`] gives fits by either count. And **what is refused here is what WeChat is
//! known to refuse**: by its table, or because somebody saw it. Where its documents are vague, a value passes, and
//! [`is_undocumented`] says so: WeChat has the last word, and a message that it would have taken must not be lost here.
//!
//! | file | has |
//! | --- | --- |
//! | `mod.rs` | the kinds, their rules in words, [`check_field`] |
//! | `values.rs`, `moments.rs` | the rules as functions; those of times and dates |
//! | `loose.rs` | times and dates that WeChat does not describe and that are left to it |
//! | `why.rs` | [`Why`]: what is wrong with one value, in words |
//! | `shorten.rs` | [`shortened_to_fit`]: which kinds may be cut to their length, and how |
//! | `template.rs` | [`fields_of`]: which fields a template has, and [`examples_of`]: WeChat's sample values |
//! | `form_id.rs` | [`is_mock_form_id`] |
//!
//! Source: the table of field kinds of
//! <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage.html>.

mod form_id;
mod loose;
mod moments;
mod shorten;
mod template;
mod values;
mod why;

use std::fmt;

use values::Verdict;

pub use form_id::is_mock_form_id;
pub use shorten::{may_be_too_long, shortened_to_fit};
pub use template::{TemplateField, examples_of, fields_of};
pub use why::Why;

/// The most characters of a legacy `keywordN` field. WeChat documents none; this
/// limit keeps a message from being a file.
pub const MAX_KEYWORD_CHARS: usize = 200;

/// What a field is for, by which WeChat decides what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldKind {
    /// `thing`: any text of 1 to 20 characters.
    Thing,
    /// `number`: at most 32 digits, decimals allowed.
    Number,
    /// `letter`: at most 32 letters.
    Letter,
    /// `symbol`: at most 5 symbols.
    Symbol,
    /// `character_string`: at most 32 letters, digits or symbols.
    CharacterString,
    /// `time`: a time of day, a date before it allowed, a range allowed.
    Time,
    /// `date`: a date, a time of day after it allowed, a range allowed.
    Date,
    /// `amount`: a sum of money.
    Amount,
    /// `phone_number`: at most 17 digits and symbols.
    PhoneNumber,
    /// `car_number`: a number plate of at most 8 characters.
    CarNumber,
    /// `name`: at most 10 characters with Chinese ones among them, or at most 20 without.
    Name,
    /// `phrase`: at most 5 Chinese characters.
    Phrase,
    /// `enum`: one of the values that the template lists.
    Enum,
    /// `keyword`: a field of a legacy template, any text up to [`MAX_KEYWORD_CHARS`].
    Keyword,
}

impl FieldKind {
    /// Every kind with the word that field names begin with.
    pub const WORDS: &[(&str, Self)] = &[
        ("thing", Self::Thing),
        ("number", Self::Number),
        ("letter", Self::Letter),
        ("symbol", Self::Symbol),
        ("character_string", Self::CharacterString),
        ("time", Self::Time),
        ("date", Self::Date),
        ("amount", Self::Amount),
        ("phone_number", Self::PhoneNumber),
        ("car_number", Self::CarNumber),
        ("name", Self::Name),
        ("phrase", Self::Phrase),
        ("enum", Self::Enum),
        ("keyword", Self::Keyword),
    ];

    /// The kind of the field of that name. `None` for a name that is not a known word followed by a number.
    pub fn of(field_name: &str) -> Option<Self> {
        let word = field_name.trim_end_matches(|c: char| c.is_ascii_digit());
        if word.len() == field_name.len() {
            return None;
        }
        Self::WORDS.iter().find_map(|(w, kind)| (*w == word).then_some(*kind))
    }

    /// The word that names of fields of this kind begin with.
    pub fn name(self) -> &'static str {
        Self::WORDS
            .iter()
            .find_map(|(word, kind)| (*kind == self).then_some(*word))
            .expect("the table has every kind")
    }

    /// A value that keeps the rule. For `enum` the template knows better.
    pub fn example(self) -> &'static str {
        match self {
            Self::Thing | Self::Keyword => "拿铁咖啡",
            Self::Number => "18",
            Self::Letter => "ABC",
            Self::Symbol => "￥",
            Self::CharacterString => "A038",
            Self::Time => "15:01",
            Self::Date => "2026年5月1日 09:30",
            Self::Amount => "￥18.00",
            Self::PhoneNumber => "010-12345678",
            Self::CarNumber => "粤A8Z888",
            Self::Name => "王小雁",
            Self::Phrase => "配送中",
            Self::Enum => "已完成",
        }
    }

    /// The rule, in English.
    pub fn rule_en(self) -> &'static str {
        match self {
            Self::Thing => "1 to 20 characters, no line breaks",
            Self::Number => "at most 32 digits, decimals allowed",
            Self::Letter => "1 to 32 letters",
            Self::Symbol => "1 to 5 symbols, no letters, digits or line breaks",
            Self::CharacterString => "1 to 32 letters, digits or symbols, no Chinese characters",
            Self::Time => {
                "a 24-hour time such as 15:01 or 2019年10月1日 15:01, or two joined with ~; 2019年10月1日 alone"
            }
            Self::Date => {
                "a date such as 2019年10月1日, 2019-10-01 or 2019-10-01 15:01, or two joined with ~"
            }
            Self::Amount => {
                "a sum such as ¥100.5 or 100元: one currency sign, at most 10 digits, decimals allowed"
            }
            Self::PhoneNumber => "at most 17 digits and symbols, such as +86-0766-66888866",
            Self::CarNumber => {
                "at most 8 letters and digits; the first and the last may be Chinese characters"
            }
            Self::Name => "at most 10 characters if some are Chinese, otherwise at most 20, no line breaks",
            Self::Phrase => "1 to 5 Chinese characters and nothing else",
            Self::Enum => "one of the values that the template lists",
            Self::Keyword => "at most 200 characters",
        }
    }

    /// The rule, in Chinese.
    pub fn rule_zh(self) -> &'static str {
        match self {
            Self::Thing => "1 至 20 个字符，不能换行",
            Self::Number => "不超过 32 位数字，可带小数",
            Self::Letter => "1 至 32 个字母",
            Self::Symbol => "1 至 5 个符号，不能有文字、字母、数字或换行",
            Self::CharacterString => "1 至 32 个字母、数字或符号，不能有汉字",
            Self::Time => {
                "24 小时制时间，如 15:01 或 2019年10月1日 15:01，时间段用 ~ 连接；也可以只有 2019年10月1日"
            }
            Self::Date => "日期，如 2019年10月1日、2019-10-01 或 2019-10-01 15:01，时间段用 ~ 连接",
            Self::Amount => "金额，如 ¥100.5 或 100元：一个币种符号，不超过 10 位数字，可带小数",
            Self::PhoneNumber => "不超过 17 位的数字和符号，如 +86-0766-66888866",
            Self::CarNumber => "不超过 8 位的字母和数字，首位和末位可为汉字",
            Self::Name => "含汉字时不超过 10 个字，不含汉字时不超过 20 个字符，不能换行",
            Self::Phrase => "1 至 5 个汉字，不能有其他字符",
            Self::Enum => "只能是模板列出的枚举值之一",
            Self::Keyword => "不超过 200 个字符",
        }
    }
}

/// A field that breaks its rule. It names the field and the rule, never the whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name; shortened if it is too long to be one.
    pub field: String,
    /// Its kind. `None`: the name is not one that this crate knows, and so neither is its rule.
    pub kind: Option<FieldKind>,
    /// The rule, in English.
    pub rule_en: String,
    /// The rule, in Chinese.
    pub rule_zh: String,
    /// What is wrong with this value.
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
/// ([`SubscribeTemplate::enum_values`](crate::SubscribeTemplate::enum_values)); where there are some, whatever the
/// kind, the value must be one of them.
///
/// # Errors
/// When the value breaks the rule of its kind. Also when the name is none that WeChat documents; a caller who
/// holds the template and finds the name in it can tell by `kind == None` and let WeChat decide.
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

/// Whether a value that passes [`check_field`] has a form that WeChat's table does not describe and that nobody was seen
/// to have refused: WeChat decides.
pub fn is_undocumented(name: &str, value: &str) -> bool {
    FieldKind::of(name).is_some_and(|kind| values::judge(kind, value) == Verdict::Undocumented)
}

/// A name is the caller's text and goes into answers and logs: no longer there than a name can be.
fn shortened(name: &str) -> String {
    const MAX_NAME_CHARS: usize = 32;
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_kind_is_the_name_without_its_number() {
        for (word, kind) in FieldKind::WORDS {
            assert_eq!(FieldKind::of(&format!("{word}1")), Some(*kind));
            assert_eq!(FieldKind::of(&format!("{word}01")), Some(*kind));
            assert_eq!(FieldKind::of(word), None, "{word} needs its number");
            assert!(!kind.rule_en().is_empty() && !kind.rule_zh().is_empty());
        }
        for unknown in ["", "1", "thing1a", "Thing1", " thing1", "thing-1", "things1"] {
            assert_eq!(FieldKind::of(unknown), None, "{unknown:?}");
        }
    }

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
