//! What is wrong with one value.

use super::kind::FieldKind;
use super::values::{most_chars, no_control};

/// What is wrong with a value, as far as one thing can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It has more characters than it may have.
    TooLong {
        /// So many.
        chars: usize,
        /// The most that it may have.
        most: usize,
    },
    /// There is nothing in it.
    Empty,
    /// It has a line break or another control character.
    Control,
    /// It is none of the values that the template lists.
    NotListed,
    /// It does not have the form that its kind asks for.
    Form,
    /// The field's name says no kind.
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
            Self::TooLong { chars, most } => format!("it has {chars} characters, {most} are allowed"),
            Self::Empty => "it is empty".into(),
            Self::Control => "it has a line break or another control character".into(),
            Self::NotListed => "it is none of the values that the template lists".into(),
            Self::Form => "it does not have this form".into(),
            Self::UnknownKind => "the name of the field says no kind".into(),
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
        assert_eq!(long.en(), "it has 25 characters, 20 are allowed");
        assert_eq!(long.zh(), "现有 25 个字符，最多 20 个");
    }
}
