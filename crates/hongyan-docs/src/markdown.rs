//! A page's Markdown as HTML, with its headings, and its texts for the search.

use std::collections::BTreeMap;

use hongyan_ui::Language;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::html::{escape, is_chinese};
use crate::place::{self, Target};
use crate::table::Table;

/// A heading of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading {
    pub(crate) level: u8,
    pub(crate) text: String,
    pub(crate) anchor: String,
}

/// A part of a page, for the search: a heading, and the text below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// Empty for what stands before the first heading below the title.
    pub(crate) anchor: String,
    pub(crate) heading: String,
    pub(crate) text: String,
}

/// A page as HTML.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// The first heading. The HTML does not have it.
    pub(crate) title: String,
    pub(crate) html: String,
    /// The headings below the title.
    pub(crate) headings: Vec<Heading>,
    pub(crate) sections: Vec<Section>,
}

/// The name of a page, by its file; `None` if the file is no page.
pub(crate) type Names<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Renders a file of the repository for the book of a language.
pub(crate) fn render<'a>(file: &'a str, text: &'a str, book: Language, names: Names<'a>) -> Rendered {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events: Vec<Event<'_>> = Parser::new_ext(text, options).collect();
    let mut renderer = Renderer {
        file,
        book,
        names,
        out: Vec::with_capacity(events.len()),
        title: String::new(),
        headings: Vec::new(),
        sections: vec![Section { anchor: String::new(), heading: String::new(), text: String::new() }],
        anchors: BTreeMap::new(),
        table: None,
        links: Vec::new(),
        is_hidden: false,
        last: ' ',
    };
    for at in 0..events.len() {
        renderer.take(&events, at);
    }
    let mut html = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut html, renderer.out.into_iter());
    renderer.sections.retain(|section| !section.heading.is_empty() || !section.text.trim().is_empty());
    Rendered { title: renderer.title, html, headings: renderer.headings, sections: renderer.sections }
}

/// A short text in Markdown as HTML. Its links stay as they are.
pub(crate) fn snippet(text: &str) -> String {
    let mut html = String::new();
    html::push_html(&mut html, Parser::new(text));
    html
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// The text of the events up to the end of a heading.
fn text_of(events: &[Event<'_>]) -> String {
    let inside = events.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    inside.fold(String::new(), |text, event| match event {
        Event::Text(part) | Event::Code(part) => text + part,
        Event::SoftBreak => text + " ",
        _ => text,
    })
}

struct Renderer<'a> {
    file: &'a str,
    book: Language,
    names: Names<'a>,
    out: Vec<Event<'a>>,
    title: String,
    headings: Vec<Heading>,
    sections: Vec<Section>,
    /// How often each anchor was given.
    anchors: BTreeMap<String, usize>,
    table: Option<Table>,
    /// Of each open link: whether it leads anywhere.
    links: Vec<bool>,
    /// The events are inside something that is not shown: the title, the link to the other language, the text of a picture.
    is_hidden: bool,
    /// The last character of the text.
    last: char,
}

impl<'a> Renderer<'a> {
    fn take(&mut self, events: &[Event<'a>], at: usize) {
        let event = &events[at];
        if self.is_hidden {
            self.is_hidden =
                !matches!(event, Event::End(TagEnd::Heading(_) | TagEnd::Paragraph | TagEnd::Image));
            return;
        }
        self.keep_text(event);
        if let Some(table) = &mut self.table
            && let Some(html) = table.html(event)
        {
            if matches!(event, Event::End(TagEnd::Table)) {
                self.table = None;
            }
            self.push_html(html);
            return;
        }
        match event {
            Event::Start(Tag::Heading { level, .. }) => self.heading(*level, &events[at + 1..]),
            Event::End(TagEnd::Heading(level)) => self.end_heading(*level),
            Event::Start(Tag::Table(aligns)) => {
                let table = Table::new(aligns, &events[at + 1..]);
                self.push_html(table.begin());
                self.table = Some(table);
            }
            Event::Start(Tag::Paragraph) if self.is_link_to_twin(&events[at + 1..]) => self.is_hidden = true,
            Event::Start(Tag::Link { dest_url, .. }) => self.link(dest_url),
            Event::Text(text) if self.is_file_name(events, at, text) => {
                let name = place::resolved(self.file, text).and_then(|file| (self.names)(&file));
                self.out.push(Event::Text(CowStr::from(name.unwrap_or_else(|| text.to_string()))));
            }
            Event::End(TagEnd::Link) => {
                if self.links.pop().unwrap_or(false) {
                    self.push_html("</a>".to_owned());
                }
            }
            Event::Start(Tag::Image { dest_url, .. }) => self.image(dest_url, &events[at + 1..]),
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) if !language.is_empty() => {
                        format!(" class=\"language-{}\"", escape(language))
                    }
                    _ => String::new(),
                };
                // A reader without a mouse scrolls what has the focus.
                self.push_html(format!("<pre tabindex=\"0\"><code{language}>"));
            }
            Event::End(TagEnd::CodeBlock) => self.push_html("</code></pre>\n".to_owned()),
            Event::SoftBreak if self.is_inside_chinese(events.get(at + 1)) => {}
            Event::Html(html) | Event::InlineHtml(html) if html.trim_start().starts_with("<!--") => {}
            _ => self.out.push(event.clone()),
        }
    }

    fn push_html(&mut self, html: String) {
        self.out.push(Event::InlineHtml(CowStr::from(html)));
    }

    /// Keeps the text of an event for the search.
    fn keep_text(&mut self, event: &Event<'_>) {
        let is_inside_chinese = matches!(event, Event::SoftBreak) && is_chinese(self.last);
        let Some(section) = self.sections.last_mut() else { return };
        match event {
            Event::Text(text) | Event::Code(text) => {
                section.text.push_str(text);
                self.last = text.chars().next_back().unwrap_or(self.last);
            }
            Event::SoftBreak if is_inside_chinese => {}
            Event::SoftBreak
            | Event::HardBreak
            | Event::End(
                TagEnd::Paragraph | TagEnd::Item | TagEnd::TableCell | TagEnd::CodeBlock | TagEnd::Heading(_),
            ) => section.text.push(' '),
            _ => {}
        }
    }

    /// Whether a line break stands between two Chinese characters. There it is no space.
    fn is_inside_chinese(&self, next: Option<&Event<'_>>) -> bool {
        let next = match next {
            Some(Event::Text(text)) => text.chars().next(),
            _ => None,
        };
        is_chinese(self.last) && next.is_some_and(is_chinese)
    }

    fn heading(&mut self, level: HeadingLevel, inside: &[Event<'a>]) {
        let text = text_of(inside);
        if level == HeadingLevel::H1 && self.title.is_empty() {
            self.title = text;
            self.is_hidden = true;
            return;
        }
        let mut id = anchor(&text);
        let times = self.anchors.entry(id.clone()).or_default();
        if *times > 0 {
            id = format!("{id}-{times}");
        }
        *times += 1;
        self.push_html(format!("<{level} id=\"{}\">", escape(&id)));
        self.headings.push(Heading { level: level as u8, text: text.clone(), anchor: id.clone() });
        self.sections.push(Section { anchor: id, heading: text, text: String::new() });
    }

    fn end_heading(&mut self, level: HeadingLevel) {
        let Some(Heading { anchor, text, .. }) = self.headings.last() else { return };
        let link = format!(
            "<a class=\"anchor\" href=\"#{}\" aria-label=\"{}\">#</a></{level}>\n",
            escape(anchor),
            escape(&self.book.pick(format!("“{text}”的链接"), format!("Link to “{text}”")))
        );
        self.push_html(link);
        // The section has its heading apart from its text.
        if let Some(section) = self.sections.last_mut() {
            section.text.clear();
        }
    }

    fn target(&self, link: &str) -> Target {
        place::target(self.file, self.book, link, |file| (self.names)(file).is_some())
    }

    /// Whether a paragraph is nothing but a link to the page in the other language. The site has a switch for that.
    fn is_link_to_twin(&self, inside: &[Event<'_>]) -> bool {
        let (Some(Event::Start(Tag::Link { dest_url, .. })), Some(Event::End(TagEnd::Paragraph))) =
            (inside.first(), inside.get(3))
        else {
            return false;
        };
        place::resolved(self.file, dest_url) == place::twin(self.file)
    }

    /// Whether a text is the text of a link and names the file to which the link leads. A reader of the site knows no files.
    fn is_file_name(&self, events: &[Event<'_>], at: usize, text: &str) -> bool {
        let before = at.checked_sub(1).map(|before| &events[before]);
        let is_link = matches!(before, Some(Event::Start(Tag::Link { dest_url, .. })) if **dest_url == *text);
        is_link && matches!(events.get(at + 1), Some(Event::End(TagEnd::Link)))
    }

    fn link(&mut self, link: &str) {
        let leads = match self.target(link) {
            Target::Address(address) => {
                self.push_html(format!("<a href=\"{}\">", escape(&address)));
                true
            }
            Target::Nowhere => false,
        };
        self.links.push(leads);
    }

    fn image(&mut self, link: &str, inside: &[Event<'_>]) {
        let inside = inside.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Image)));
        let text = inside.fold(String::new(), |text, event| match event {
            Event::Text(part) | Event::Code(part) => text + part,
            _ => text,
        });
        let address = match self.target(link) {
            Target::Address(address) => address,
            Target::Nowhere => link.to_owned(),
        };
        let (address, text) = (escape(&address), escape(&text));
        let picture = format!("<img src=\"{address}\" alt=\"{text}\" loading=\"lazy\">");
        // A link needs a name.
        self.push_html(if text.is_empty() {
            format!("<span class=\"picture\">{picture}</span>")
        } else {
            format!("<a class=\"picture\" href=\"{address}\">{picture}</a>")
        });
        self.is_hidden = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Rendered {
        render("docs/api.md", text, Language::En, &|file| {
            (file == "docs/facade.md").then(|| "Facade".to_owned())
        })
    }

    #[test]
    fn a_page_is_split_into_title_sections_and_html() {
        let page = rendered("# API\n\nFirst.\n\n## Send `it`\n\nText\nmore\n\n## Send it\n\n`code`\n");
        assert_eq!(page.title, "API");
        let anchors: Vec<_> = page.headings.iter().map(|heading| heading.anchor.as_str()).collect();
        assert_eq!(anchors, ["send-it", "send-it-1"]);
        let sections: Vec<_> =
            page.sections.iter().map(|section| (section.heading.as_str(), section.text.trim())).collect();
        assert_eq!(sections, [("", "First."), ("Send it", "Text more"), ("Send it", "code")]);
        assert!(page.html.starts_with("<p>First.</p>"), "{}", page.html);
        assert!(
            page.html
                .contains("<h2 id=\"send-it\">Send <code>it</code><a class=\"anchor\" href=\"#send-it\"")
        );
    }

    #[test]
    fn a_link_to_a_page_leads_there_and_a_link_to_a_file_is_text() {
        let html = rendered("[a](facade.md#x) [b](../LICENSE-MIT) [c](https://example.com/)").html;
        assert_eq!(
            html,
            "<p><a href=\"/docs/en/facade#x\">a</a> b <a href=\"https://example.com/\">c</a></p>\n"
        );
    }

    #[test]
    fn a_link_that_shows_the_name_of_a_file_shows_the_name_of_the_page() {
        assert_eq!(
            rendered("[facade.md](facade.md)").html,
            "<p><a href=\"/docs/en/facade\">Facade</a></p>\n"
        );
        assert_eq!(rendered("[x.md](../x.md)").html, "<p>x.md</p>\n");
    }

    #[test]
    fn a_table_labels_its_cells_and_has_no_style() {
        let html = rendered("| a | `b` |\n| --- | ---: |\n| 1 | 2 |\n").html;
        assert!(html.contains("<th scope=\"col\" class=\"n\"><code>b</code></th>"), "{html}");
        assert!(html.contains("<tr><td>1</td><td class=\"n\" data-label=\"b\">2</td></tr>"), "{html}");
        let html = rendered("| | |\n| --- | --- |\n| 1 | 2 |\n").html;
        assert!(!html.contains("<thead>") && html.contains("<tr><td>1</td><td>2</td></tr>"), "{html}");
    }

    #[test]
    fn a_line_break_between_chinese_characters_is_no_space() {
        assert_eq!(rendered("额度\n用完").html, "<p>额度用完</p>\n");
        assert_eq!(rendered("one\ntwo").html, "<p>one\ntwo</p>\n");
        assert_eq!(rendered("额度\n用完").sections[0].text.trim(), "额度用完");
    }

    #[test]
    fn what_only_a_repository_needs_is_left_out() {
        let page = render(
            "docs/api.md",
            "# API\n\n[中文](api.zh-CN.md)\n\n<!-- mark -->\nText\n",
            Language::En,
            &|_| Some(String::new()),
        );
        assert!(
            !page.html.contains("中文") && !page.html.contains("mark") && page.html.contains("Text"),
            "{}",
            page.html
        );
    }

    #[test]
    fn a_picture_has_its_text() {
        let html = rendered("![A *picture*](images/phone.png) after").html;
        let img = "<img src=\"/docs/images/phone.png\" alt=\"A picture\" loading=\"lazy\">";
        assert_eq!(
            html,
            format!("<p><a class=\"picture\" href=\"/docs/images/phone.png\">{img}</a> after</p>\n")
        );
    }
}
