//! Tables of Markdown as HTML. On a narrow screen each row becomes a list whose lines say what they are, so a cell knows the
//! heading of its column; and no attribute `style` says how a column is aligned, because the pages' policy forbids it.

use pulldown_cmark::{Alignment, Event, Tag, TagEnd};

use crate::html::escape;

/// A table with more columns than this may be wider than the page, and is scrolled.
const MOST_COLUMNS: usize = 4;

/// The table in which the reader of the events is.
pub(crate) struct Table {
    aligns: Vec<Alignment>,
    /// The text of each column's heading.
    headings: Vec<String>,
    column: usize,
    is_head: bool,
}

impl Table {
    /// The table that begins with these events.
    pub(crate) fn new(aligns: &[Alignment], events: &[Event<'_>]) -> Self {
        let mut headings = Vec::new();
        for event in events.iter().take_while(|event| !matches!(event, Event::End(TagEnd::TableHead))) {
            match event {
                Event::Start(Tag::TableCell) => headings.push(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = headings.last_mut() {
                        heading.push_str(text);
                    }
                }
                _ => {}
            }
        }
        Self { aligns: aligns.to_vec(), headings, column: 0, is_head: false }
    }

    /// Whether any column has a heading.
    fn has_head(&self) -> bool {
        self.headings.iter().any(|heading| !heading.trim().is_empty())
    }

    /// What the table begins with.
    pub(crate) fn begin(&self) -> String {
        // A reader without a mouse scrolls what has the focus.
        let focus = if self.aligns.len() > MOST_COLUMNS { " tabindex=\"0\"" } else { "" };
        format!("<div class=\"table\"{focus}><table>\n")
    }

    /// The HTML of an event of the table, if the event is about the table and not about the content of a cell.
    pub(crate) fn html(&mut self, event: &Event<'_>) -> Option<String> {
        Some(match event {
            Event::Start(Tag::TableHead) => {
                (self.is_head, self.column) = (true, 0);
                if self.has_head() { "<thead><tr>".to_owned() } else { "<!--".to_owned() }
            }
            Event::End(TagEnd::TableHead) => {
                self.is_head = false;
                if self.has_head() {
                    "</tr></thead>\n<tbody>\n".to_owned()
                } else {
                    "--><tbody>\n".to_owned()
                }
            }
            Event::Start(Tag::TableRow) => {
                self.column = 0;
                "<tr>".to_owned()
            }
            Event::End(TagEnd::TableRow) => "</tr>\n".to_owned(),
            Event::Start(Tag::TableCell) => self.cell(),
            Event::End(TagEnd::TableCell) => {
                let is_th = self.is_head && !self.heading().is_empty();
                self.column += 1;
                if is_th { "</th>" } else { "</td>" }.to_owned()
            }
            Event::End(TagEnd::Table) => "</tbody></table></div>\n".to_owned(),
            _ => return None,
        })
    }

    fn heading(&self) -> &str {
        self.headings.get(self.column).map_or("", |heading| heading.trim())
    }

    fn cell(&self) -> String {
        let is_number = self.aligns.get(self.column) == Some(&Alignment::Right);
        let class = if is_number { " class=\"n\"" } else { "" };
        let heading = self.heading();
        if self.is_head {
            return if heading.is_empty() { "<td>".to_owned() } else { format!("<th scope=\"col\"{class}>") };
        }
        let label = if self.column == 0 || heading.is_empty() {
            String::new()
        } else {
            format!(" data-label=\"{}\"", escape(heading))
        };
        format!("<td{class}{label}>")
    }
}
