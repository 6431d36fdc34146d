//! The pages that explain every errcode and every problem: made from the tables and the rules that the gateway itself
//! goes by, so that they cannot say something else.
//!
//! The same page is a file of `docs/` (`cargo xtask errcodes` writes it) and an answer of the gateway (`/errcodes`,
//! `/problems`), to which problems link.

use std::fmt::Write as _;

mod errcodes;
mod problems;

/// A page's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

impl Language {
    /// As it is written in an address.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// The text of this language.
    pub(crate) fn pick<T>(self, en: T, zh: T) -> T {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }
}

/// A page: a title, some paragraphs, and what it explains. Texts may have `code` in backticks.
#[derive(Debug, Clone)]
pub struct Page {
    /// The page's name in `docs/`, without ending.
    pub name: &'static str,
    /// Its language.
    pub language: Language,
    /// Its title.
    pub title: &'static str,
    /// What to know before.
    pub lead: Vec<String>,
    /// One thing after another.
    pub entries: Vec<Entry>,
}

/// One thing that a page explains.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What an address ends in to lead here.
    pub anchor: String,
    /// Its heading.
    pub heading: String,
    /// What it is, in a sentence.
    pub text: String,
    /// More, each under a word.
    pub lines: Vec<(&'static str, String)>,
}

/// All pages.
pub fn pages() -> Vec<Page> {
    let both = [Language::En, Language::Zh];
    both.into_iter().flat_map(|language| [errcodes::page(language), problems::page(language)]).collect()
}

/// The page of errcodes.
pub fn errcodes(language: Language) -> Page {
    errcodes::page(language)
}

/// The page of problems.
pub fn problems(language: Language) -> Page {
    problems::page(language)
}

impl Page {
    /// The file in `docs/`.
    pub fn file(&self) -> String {
        format!("{}{}.md", self.name, self.language.pick("", ".zh-CN"))
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let other =
            self.language.pick("[中文](NAME.zh-CN.md)", "[English](NAME.md)").replace("NAME", self.name);
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
                let colon = self.language.pick(": ", "：");
                put(format_args!("- **{word}**{colon}{line}\n"));
            }
        }
        text
    }

    /// As the inside of an HTML page, with the entries in which `sought` stands; all, if it is empty.
    pub(crate) fn html(&self, sought: &str) -> String {
        let language = self.language;
        let entries: Vec<&Entry> = self.entries.iter().filter(|entry| entry.has(sought)).collect();
        let mut text = String::new();
        let mut put =
            |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a String takes everything");
        put(format_args!(
            "<nav><a href=\"/?lang={}\">{}</a></nav>\n<h1>{}</h1>\n",
            language.code(),
            language.pick("← Home", "← 首页"),
            html(self.title)
        ));
        for paragraph in &self.lead {
            put(format_args!("<p class=\"lead\">{}</p>\n", html(paragraph)));
        }
        // A form and no script: the gateway itself looks for the entries.
        put(format_args!(
            "<form method=\"get\" role=\"search\">\n<input type=\"hidden\" name=\"lang\" value=\"{}\">\n\
             <label>{} <input type=\"search\" name=\"q\" maxlength=\"100\" value=\"{}\"></label>\n\
             <button>{}</button>\n</form>\n",
            language.code(),
            language.pick("A number or a word", "数字或关键字"),
            escaped(sought),
            language.pick("Find", "查找"),
        ));
        if !sought.is_empty() {
            let found = entries.len();
            let all = language.pick("Show all", "显示全部");
            let say = language.pick(format!("{found} found."), format!("找到 {found} 条。"));
            put(format_args!("<p>{say} <a href=\"?lang={}\">{all}</a></p>\n", language.code()));
        }
        put(format_args!("<nav class=\"index\" aria-label=\"{}\">\n", language.pick("Index", "目录")));
        for entry in &entries {
            put(format_args!("<a href=\"#{}\">{}</a>\n", entry.anchor, html(&entry.heading)));
        }
        put(format_args!("</nav>\n"));
        for Entry { anchor, heading, text, lines } in entries {
            put(format_args!(
                "<section id=\"{anchor}\">\n<h2>{}</h2>\n<p>{}</p>\n<dl>\n",
                html(heading),
                html(text)
            ));
            for (word, line) in lines {
                put(format_args!("<dt>{}</dt><dd>{}</dd>\n", html(word), html(line)));
            }
            put(format_args!("</dl>\n</section>\n"));
        }
        text
    }
}

impl Entry {
    /// Whether a text stands anywhere in it, in capitals or not.
    fn has(&self, sought: &str) -> bool {
        let sought = sought.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&sought);
        has(&self.anchor)
            || has(&self.heading)
            || has(&self.text)
            || self.lines.iter().any(|(_, line)| has(line))
    }
}

/// A text as it may stand in HTML, also in an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Escapes, and turns what stands in backticks into code.
fn html(text: &str) -> String {
    let escaped = escaped(text);
    let mut parts = escaped.split('`');
    let mut html = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        html.push_str(if at % 2 == 0 { "<code>" } else { "</code>" });
        html.push_str(part);
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_docs_are_current() {
        for page in pages() {
            let path = format!("{}/../../docs/{}", env!("CARGO_MANIFEST_DIR"), page.file());
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            // Not assert_eq: the pages are long.
            assert!(written == page.markdown(), "docs/{} is not current: cargo xtask errcodes", page.file());
        }
    }

    #[test]
    fn both_languages_explain_the_same_and_every_anchor_stands_once() {
        let anchors = |page: &Page| page.entries.iter().map(|entry| entry.anchor.clone()).collect::<Vec<_>>();
        for page in [errcodes, problems] {
            let (en, zh) = (page(Language::En), page(Language::Zh));
            assert_eq!(anchors(&en), anchors(&zh));
            let mut unique = anchors(&en);
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), en.entries.len());
            for entry in en.entries.iter().chain(&zh.entries) {
                let text = format!("{} {:?}", entry.text, entry.lines);
                assert_eq!(text.matches('`').count() % 2, 0, "{text}");
            }
        }
    }

    #[test]
    fn the_pages_about_templates_have_the_rule_of_every_kind() {
        use hongyan_wechat::FieldKind;
        let read = |name: &str| {
            std::fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        let (en, zh) = (read("templates.md"), read("templates.zh-CN.md"));
        for (word, kind) in FieldKind::WORDS {
            let cut = kind.may_be_shortened();
            let row =
                |rule: &str, yes: &str| format!("| `{word}` | {rule} | {} |", if cut { yes } else { "" });
            assert!(en.contains(&row(kind.rule_en(), "yes")), "{word}");
            assert!(zh.contains(&row(kind.rule_zh(), "可以")), "{word}");
        }
    }

    #[test]
    fn html_is_escaped_and_has_code() {
        assert_eq!(html("a < `b`, `c`"), "a &lt; <code>b</code>, <code>c</code>");
    }
}
