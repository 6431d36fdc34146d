//! The kinds of fields: the prefixes of field names, and the rules in words.

/// The most characters of a legacy `keywordN` field. WeChat documents no limit; this limit keeps a message from becoming
/// a file.
pub const MAX_KEYWORD_CHARS: usize = 200;

/// The kind of a field, which decides what the field may contain.
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
    /// Every kind with the prefix of its field names.
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

    /// The kind of the field with this name. `None` for a name that is not a known prefix followed by a number.
    pub fn of(field_name: &str) -> Option<Self> {
        let word = field_name.trim_end_matches(|c: char| c.is_ascii_digit());
        if word.len() == field_name.len() {
            return None;
        }
        Self::WORDS.iter().find_map(|(w, kind)| (*w == word).then_some(*kind))
    }

    /// The prefix of field names of this kind.
    pub fn name(self) -> &'static str {
        Self::WORDS
            .iter()
            .find_map(|(word, kind)| (*kind == self).then_some(*word))
            .expect("the table has every kind")
    }

    /// A value that keeps the rule. For `enum` only the template knows a valid value.
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

#[cfg(test)]
mod tests {
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
}
