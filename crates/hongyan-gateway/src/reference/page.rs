//! A page: its parts, how it is written as Markdown, and the search in it.

use std::fmt::Write as _;

use hongyan_ui::Language;

/// A page: a title, introductory paragraphs, and entries. Texts may have `code` in backticks.
#[derive(Debug, Clone)]
pub struct Page {
    /// The page's file name in `docs/`, without its extension.
    pub name: &'static str,
    /// Its language.
    pub language: Language,
    /// Its title.
    pub title: &'static str,
    /// The introductory paragraphs.
    pub lead: Vec<String>,
    /// The entries, in order.
    pub entries: Vec<Entry>,
}

/// One errcode or problem code that a page explains.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The errcode or the problem code itself.
    pub name: String,
    /// The entry's URL fragment.
    pub anchor: String,
    /// Its heading.
    pub heading: String,
    /// What it means, in a sentence.
    pub text: String,
    /// More about it; each line has a label.
    pub lines: Vec<(&'static str, String)>,
}

impl Page {
    /// The file in `docs/`.
    pub fn file(&self) -> String {
        format!("{}{}.md", self.name, self.language.pick(".zh-CN", ""))
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let other =
            self.language.pick("[English](NAME.md)", "[中文](NAME.zh-CN.md)").replace("NAME", self.name);
        let mut text = format!("# {}\n\n{other}\n", self.title);
        let mut put =
            |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a String takes everything");
        for paragraph in &self.lead {
            put(format_args!("\n{paragraph}\n"));
        }
        for entry in &self.entries {
            put(format_args!(
                "\n<a id=\"{}\"></a>\n\n## {}\n\n{}\n\n",
                entry.anchor, entry.heading, entry.text
            ));
            for (word, line) in &entry.lines {
                let colon = self.language.pick("：", ": ");
                put(format_args!("- **{word}**{colon}{line}\n"));
            }
        }
        text
    }

    /// The entries that contain all words of a text; all entries if there are no words. The entry that has the text as its
    /// name comes first.
    pub(crate) fn find(&self, sought: &str) -> Vec<&Entry> {
        let sought = sought.trim().to_lowercase();
        let words: Vec<&str> = sought.split_whitespace().collect();
        let mut found: Vec<&Entry> = self.entries.iter().filter(|entry| entry.has(&words)).collect();
        found.sort_by_key(|entry| entry.name != sought);
        found
    }
}

impl Entry {
    /// Whether the entry contains every word. The words are in lower case.
    fn has(&self, words: &[&str]) -> bool {
        let texts = [&self.anchor, &self.heading, &self.text]
            .into_iter()
            .chain(self.lines.iter().map(|(_, line)| line));
        let texts: Vec<String> = texts.map(|text| text.to_lowercase()).collect();
        words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}
