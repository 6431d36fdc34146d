//! The manual pages: the texts of the help, and in Chinese pages the Chinese of the words that `clap_mangen` writes itself.

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use hongyan_ui::Language;

use super::help::framed;
use super::in_language;
use crate::cli::Cli;

/// A manual page.
pub(crate) struct ManualPage {
    /// The file's name, with its section.
    pub(crate) file: String,
    /// The text, in the language of `man`.
    pub(crate) source: String,
}

/// The words of `clap_mangen` in a page's source, and their Chinese.
const WORDS: [(&str, &str); 12] = [
    // Between words stretched to the margin, Chinese has holes.
    (".SH NAME\n", ".ad l\n.SH NAME\n"),
    // Each value of a list begins a line.
    ("\n\\- ", "\n.br\n\\- "),
    (".SH NAME\n", ".SH 名称\n"),
    (".SH SYNOPSIS\n", ".SH 用法\n"),
    (".SH DESCRIPTION\n", ".SH 说明\n"),
    (".SH OPTIONS\n", ".SH 选项\n"),
    (".SH SUBCOMMANDS\n", ".SH 命令\n"),
    (".SH EXTRA\n", ".SH 补充\n"),
    (".SH VERSION\n", ".SH 版本\n"),
    ("Possible values:", "可选值："),
    ("May also be specified with the ", "也可以用环境变量 "),
    (" environment variable. ", " 指定。"),
];

/// A page for each command that the help shows, but for the command `help`.
pub(crate) fn manual_pages(language: Language) -> Vec<ManualPage> {
    let mut command = in_language(Cli::command().disable_help_subcommand(true), language);
    command.build();
    let mut pages = Vec::new();
    add(&command, language, &mut pages);
    pages
}

fn add(command: &Command, language: Language, pages: &mut Vec<ManualPage>) {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        add(below, language, pages);
    }
    let man = Man::new(command.clone());
    let mut source = Vec::new();
    // A vector takes everything.
    let _written = man.render(&mut source);
    let source = String::from_utf8_lossy(&source).into_owned();
    let source = match language {
        Language::En => source,
        Language::Zh => in_chinese(&source),
    };
    pages.push(ManualPage { file: man.get_filename(), source });
}

fn in_chinese(source: &str) -> String {
    framed(&WORDS.iter().fold(source.to_owned(), |page, (english, chinese)| page.replace(english, chinese)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_pages_and_chinese_pages_have_no_english_headings() {
        let (english, chinese) = (manual_pages(Language::En), manual_pages(Language::Zh));
        let files = |pages: &[ManualPage]| pages.iter().map(|page| page.file.clone()).collect::<Vec<_>>();
        assert_eq!(files(&english), files(&chinese));
        assert!(files(&english).contains(&"hongyan-app-add.1".to_owned()));
        assert!(!files(&english).iter().any(|file| file.contains("help")), "{:?}", files(&english));
        for page in &chinese {
            for heading in page.source.lines().filter(|line| line.starts_with(".SH ")) {
                assert!(!heading[4..].is_ascii(), "{}: {heading}", page.file);
            }
        }
        let list = chinese.iter().find(|page| page.file == "hongyan-message-list.1").unwrap();
        assert!(list.source.contains("\n.br\n\\- json："), "{}", list.source);
        let all: String = chinese.iter().map(|page| page.source.as_str()).collect();
        for words in ["Possible values", "environment variable", "[default:", "Print help"] {
            assert!(!all.contains(words), "{words}");
        }
    }
}
