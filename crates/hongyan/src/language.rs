//! The language in which this process talks to people.
//!
//! JSON, logs and what is stored are English in every language: programs read them.

use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};

use hongyan_ui::Language;

/// The variables that name a language, in the order in which they count. A variable without a value does not count. The
/// last three are those of POSIX.
const VARIABLES: [&str; 4] = ["HONGYAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"];

static CHINESE: AtomicBool = AtomicBool::new(false);

/// Sets the language, once, at the start.
pub(crate) fn set(language: Language) {
    CHINESE.store(language == Language::Zh, Ordering::Relaxed);
}

/// The language of this process: English, unless it was set.
pub(crate) fn current() -> Language {
    if CHINESE.load(Ordering::Relaxed) { Language::Zh } else { Language::En }
}

/// The language that the flag `--lang` or the environment asks for, else English.
///
/// The arguments are not parsed yet: errors in the arguments are in this language, too.
pub(crate) fn wanted(
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Language {
    let of_environment = || {
        let value =
            VARIABLES.into_iter().find_map(|name| variable(name).filter(|value| !value.is_empty()))?;
        of_locale(value.to_str()?)
    };
    of_flag(arguments).or_else(of_environment).unwrap_or(Language::En)
}

/// The language that the last flag `--lang` names.
fn of_flag(arguments: impl IntoIterator<Item = OsString>) -> Option<Language> {
    let mut named = None;
    let mut arguments = arguments.into_iter().map_while(|argument| argument.into_string().ok());
    while let Some(argument) = arguments.next().filter(|argument| argument != "--") {
        if argument == "--lang" {
            named = arguments.next();
        } else if let Some(value) = argument.strip_prefix("--lang=") {
            named = Some(value.to_owned());
        }
    }
    Language::of(&named?)
}

/// The language of a locale such as `zh_CN.UTF-8`. All texts are UTF-8: a terminal with another character set would show
/// Chinese as noise, and gets English.
fn of_locale(locale: &str) -> Option<Language> {
    let locale = locale.split('@').next().unwrap_or_default();
    let (tag, charset) = locale.split_once('.').unwrap_or((locale, "UTF-8"));
    let is_utf8 = charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8");
    Language::of(tag).filter(|_| is_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(arguments: &[&str], variables: &[(&str, &str)]) -> Language {
        super::wanted(arguments.iter().map(OsString::from), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_flag_comes_before_the_environment() {
        let english = [("LANG", "en_US.UTF-8")];
        assert_eq!(wanted(&["check", "--lang", "zh"], &english), Language::Zh);
        assert_eq!(wanted(&["--lang=zh-CN", "check"], &english), Language::Zh);
        assert_eq!(wanted(&["--lang", "en"], &[("LC_ALL", "zh_CN.UTF-8")]), Language::En);
        assert_eq!(wanted(&["send", "--", "--lang", "zh"], &english), Language::En);
        assert_eq!(wanted(&["--lang"], &english), Language::En);
    }

    #[test]
    fn the_first_variable_with_a_value_decides() {
        for (variables, language) in [
            (&[("LANG", "zh_CN.UTF-8")][..], Language::Zh),
            (&[("LANG", "zh_TW.utf8")], Language::Zh),
            (&[("LANG", "zh")], Language::Zh),
            (&[("LANG", "zh_CN.UTF-8@pinyin")], Language::Zh),
            (&[("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")], Language::En),
            (&[("LC_ALL", ""), ("LC_MESSAGES", "zh_CN.UTF-8"), ("LANG", "en_US.UTF-8")], Language::Zh),
            (&[("HONGYAN_LANG", "zh"), ("LC_ALL", "C")], Language::Zh),
            (&[("HONGYAN_LANG", "en"), ("LANG", "zh_CN.UTF-8")], Language::En),
            (&[("LANG", "zh_CN.GB18030")], Language::En),
            (&[("LANG", "C.UTF-8")], Language::En),
            (&[("LANG", "de_DE.UTF-8")], Language::En),
            (&[], Language::En),
        ] {
            assert_eq!(wanted(&[], variables), language, "{variables:?}");
        }
    }
}
