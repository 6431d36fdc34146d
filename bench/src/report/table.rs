//! A table, for the terminal and for a page.

use std::fmt::Write;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Language {
    /// The text in this language.
    pub(crate) const fn say<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// A table. The first column is text. All other columns are numbers, aligned to the right.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(title: impl Into<String>, header: &[&str]) -> Self {
        let header = header.iter().map(|&name| name.to_owned()).collect();
        Self { title: title.into(), header, rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table for a terminal.
    pub(super) fn text(&self) -> String {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| {
            // A short row ends in a text of any length.
            let cells = lines().filter(|line| line.len() == self.header.len());
            cells.map(|line| line[column].chars().count()).max().unwrap_or_default()
        };
        let mut text = format!("{}\n\n", self.title);
        for line in lines() {
            for (column, cell) in line.iter().enumerate() {
                let width = width(column);
                let is_words = column == 0 || line.len() < self.header.len();
                // Writing to a string cannot fail.
                let _ = if is_words {
                    write!(text, "{cell:<width$}  ")
                } else {
                    write!(text, "{cell:>width$}  ")
                };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    /// The table for a page.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let missing = self.header.len().saturating_sub(cells.len());
            format!("| {} |{}\n", cells.join(" | "), " |".repeat(missing))
        };
        let rule: Vec<String> = (0..self.header.len())
            .map(|column| if column == 0 { "---" } else { "---:" }.to_owned())
            .collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("### {}\n\n{}{}{rows}", self.title, line(&self.header), line(&rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Speed", &["", "a", "b"]);
        table.row(["one".to_owned(), "1".to_owned(), "10".to_owned()]);
        table.row(["two".to_owned(), "not measured: not installed".to_owned()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_number() {
        assert_eq!(table().text(), "Speed\n\n     a   b\none  1  10\ntwo  not measured: not installed\n");
    }

    #[test]
    fn a_page_has_every_cell_of_every_row() {
        assert_eq!(
            table().markdown(),
            "### Speed\n\n|  | a | b |\n| --- | ---: | ---: |\n| one | 1 | 10 |\n| two | not measured: not installed | |\n"
        );
    }
}
