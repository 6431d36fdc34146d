//! A page: its parts, and how it is written as Markdown and as HTML.

use std::fmt::Write as _;

/// A page's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

impl Language {
    /// The language's name in a URL.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// The text in this language.
    pub(crate) fn pick<T>(self, en: T, zh: T) -> T {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }
}

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

    /// The page as the body of an HTML page, with the entries that contain `sought`; with all entries if `sought` is empty.
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
        // A form without a script: the gateway does the search.
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
    /// Whether the entry contains a text, in upper or lower case.
    fn has(&self, sought: &str) -> bool {
        let sought = sought.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&sought);
        has(&self.anchor)
            || has(&self.heading)
            || has(&self.text)
            || self.lines.iter().any(|(_, line)| has(line))
    }
}

/// Escapes a text for HTML and for attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Escapes a text for HTML and turns backticks into `<code>`.
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
    fn html_is_escaped_and_has_code() {
        assert_eq!(html("a < `b`, `c`"), "a &lt; <code>b</code>, <code>c</code>");
    }
}
