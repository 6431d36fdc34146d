//! The languages of the sandbox's pages.

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lang {
    Zh,
    En,
}

impl Lang {
    pub(crate) fn of(tag: &str) -> Option<Self> {
        let tag = tag.trim().to_ascii_lowercase();
        let is = |word: &str| tag == word || tag.starts_with(&format!("{word}-"));
        if is("zh") { Some(Self::Zh) } else { is("en").then_some(Self::En) }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// Chooses the text in this language.
    pub(crate) fn of_both<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}
