//! The languages that `--lang` takes.

use clap::ValueEnum;
use hongyan_ui::Language;

/// The names of both languages. A locale such as `zh-CN` is a name, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    #[value(alias = "zh-CN")]
    Zh,
    En,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Zh => Self::Zh,
            Lang::En => Self::En,
        }
    }
}
