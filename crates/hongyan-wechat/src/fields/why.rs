//! What is wrong with one value.

use super::kind::FieldKind;
use super::values::{most_chars, no_control};

/// What is wrong with a value, if one reason can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The value has too many characters.
    TooLong {
        /// The number of its characters.
        chars: usize,
        /// The allowed number of characters.
        most: usize,
    },
    /// The value is empty.
    Empty,
    /// The value contains a line break or another control character.
    Control,
    /// The template does not list the value.
    NotListed,
    /// The value does not have the form of its kind.
    Form,
    /// The field's name has no known kind.
    UnknownKind,
}

impl Why {
    /// What is wrong with a value that breaks the rule of its kind.
    pub(super) fn of(kind: FieldKind, value: &str) -> Self {
        if value.is_empty() {
            return Self::Empty;
        }
        if kind != FieldKind::Keyword && !no_control(value) {
            return Self::Control;
        }
        match most_chars(kind, value) {
            Some(most) if value.chars().nth(most).is_some() => {
                Self::TooLong { chars: value.chars().count(), most }
            }
            _ => Self::Form,
        }
    }

    /// In English.
    pub fn en(self) -> String {
        match self {
            Self::TooLong { chars, most } => format!("the value has {chars} characters, {most} are allowed"),
            Self::Empty => "the value is empty".into(),
            Self::Control => "the value contains a line break or another control character".into(),
            Self::NotListed => "the template does not list this value".into(),
            Self::Form => "the value does not have this form".into(),
            Self::UnknownKind => "the field's name has no known kind".into(),
        }
    }

    /// In Chinese.
    pub fn zh(self) -> String {
        match self {
            Self::TooLong { chars, most } => format!("现有 {chars} 个字符，最多 {most} 个"),
            Self::Empty => "内容为空".into(),
            Self::Control => "含有换行或其他控制字符".into(),
            Self::NotListed => "不在模板列出的枚举值之内".into(),
            Self::Form => "格式不符".into(),
            Self::UnknownKind => "字段名中没有已知的类型".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_reason_is_named() {
        let rows = [
            (FieldKind::Thing, "x".repeat(25), Why::TooLong { chars: 25, most: 20 }),
            (FieldKind::Name, "王".repeat(11), Why::TooLong { chars: 11, most: 10 }),
            (FieldKind::Thing, String::new(), Why::Empty),
            (FieldKind::Thing, "a\nb".into(), Why::Control),
            (FieldKind::Date, "tomorrow".into(), Why::Form),
            (FieldKind::Phrase, "OK".into(), Why::Form),
        ];
        for (kind, value, why) in rows {
            assert_eq!(Why::of(kind, &value), why, "{kind:?} {value:?}");
        }
        let long = Why::TooLong { chars: 25, most: 20 };
        assert_eq!(long.en(), "the value has 25 characters, 20 are allowed");
        assert_eq!(long.zh(), "现有 25 个字符，最多 20 个");
    }
}
