//! A text for people in both languages, written in one place.
//!
//! ```ignore
//! output::remark(say!("{appid} 已删除", "{appid} is removed"));
//! ```
//!
//! What a command says to people is a [`Text`], so a text that lacks one of the languages does not compile.
//!
//! A [`Text`] has no `Display`: a text inside another text must appear in the language of the text around it. Name such a
//! text after a semicolon: `say!("跳过：{why}", "skipped: {why}"; why)`.

use crate::language;

/// A text in both languages. JSON and stored data take the English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) zh: String,
    pub(crate) en: String,
}

impl Text {
    /// A text that is the same in both languages: data, or the words of another program.
    pub(crate) fn same(text: impl Into<String>) -> Self {
        let en = text.into();
        Self { zh: en.clone(), en }
    }

    /// The text in the language of this process.
    pub(crate) fn shown(&self) -> &str {
        language::current().pick(&self.zh, &self.en)
    }

    /// This text with another text after it.
    #[must_use]
    pub(crate) fn and(mut self, next: &Self) -> Self {
        self.zh.push_str(&next.zh);
        self.en.push_str(&next.en);
        self
    }
}

impl From<&Text> for Text {
    fn from(text: &Self) -> Self {
        text.clone()
    }
}

/// A constant text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Both {
    zh: &'static str,
    en: &'static str,
}

/// A constant text: its Chinese and its English.
pub(crate) const fn both(zh: &'static str, en: &'static str) -> Both {
    Both { zh, en }
}

impl From<Both> for Text {
    fn from(both: Both) -> Self {
        Self { zh: both.zh.to_owned(), en: both.en.to_owned() }
    }
}

/// One of two words, in the language of this process.
pub(crate) fn word(zh: &'static str, en: &'static str) -> &'static str {
    language::current().pick(zh, en)
}

/// A [`Text`]: its Chinese and its English, as for `format!`, then the arguments of both; or, after a semicolon, the names
/// of texts that appear in it.
macro_rules! say {
    ($zh:literal, $en:literal $(,)?) => {
        $crate::text::Text { zh: format!($zh), en: format!($en) }
    };
    ($zh:literal, $en:literal, $($args:tt)+) => {
        $crate::text::Text { zh: format!($zh, $($args)+), en: format!($en, $($args)+) }
    };
    ($zh:literal, $en:literal; $($inner:ident),+ $(,)?) => {
        $crate::text::Text {
            zh: { $(let $inner = &$inner.zh;)+ format!($zh) },
            en: { $(let $inner = &$inner.en;)+ format!($en) },
        }
    };
}

pub(crate) use say;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_inside_a_text_is_in_its_language() {
        let why = say!("磁盘已满", "the disk is full");
        let file = "a.db";
        let text = say!("不能写 {file}：{why}", "cannot write {file}: {why}"; why);
        assert_eq!(
            (text.zh.as_str(), text.en.as_str()),
            ("不能写 a.db：磁盘已满", "cannot write a.db: the disk is full")
        );
        assert_eq!(text.shown(), text.en, "tests are English");
        let both = say!("{} 条", "{} messages", 3).and(&Text::same("."));
        assert_eq!((both.zh.as_str(), both.en.as_str()), ("3 条.", "3 messages."));
    }
}
