//! Lists of the API: a table for people, JSON and CSV for programs. A long list is read page by page.

use ::csv::Writer;
use hongyan_ui::cells::cell_text;
use serde_json::Value;

use crate::cli::{Format, ListArgs, PageArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::query::Query;
use crate::text::{Both, say, word};
use crate::{output, progress};

mod heads;

/// The most entries that the API puts on a page.
const MOST_OF_A_PAGE: u32 = 1_000;

/// A column of a list.
pub(crate) struct Column {
    /// The head of the column.
    head: &'static str,
    cell: Cell,
}

/// Where the text of a cell comes from.
enum Cell {
    /// A JSON pointer into an entry.
    At(&'static str),
    /// A text that is made from an entry.
    Of(fn(&Value) -> String),
}

impl Column {
    /// A column of a member of each entry.
    pub(crate) const fn at(head: &'static str, pointer: &'static str) -> Self {
        Self { head, cell: Cell::At(pointer) }
    }

    /// A column of texts that are made from each entry.
    pub(crate) const fn of(head: &'static str, text: fn(&Value) -> String) -> Self {
        Self { head, cell: Cell::Of(text) }
    }

    fn text(&self, entry: &Value) -> String {
        match self.cell {
            Cell::At(pointer) => entry.pointer(pointer).map(text).unwrap_or_default(),
            Cell::Of(text) => text(entry),
        }
    }

    /// The text for a spreadsheet. A number may begin with a minus.
    fn csv(&self, entry: &Value) -> String {
        let text = self.text(entry);
        let is_number =
            matches!(self.cell, Cell::At(pointer) if entry.pointer(pointer).is_some_and(Value::is_number));
        if is_number { text } else { cell_text(&text).into_owned() }
    }
}

/// A JSON value as a cell: texts without quotes, nothing for null, lists of texts with spaces between them.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(text).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// What a list shows.
pub(crate) struct Shape {
    /// The member of the API's answer that has the entries.
    pub(crate) member: &'static str,
    /// The columns for people.
    pub(crate) table: &'static [Column],
    /// The columns for spreadsheets; their heads are the API's names.
    pub(crate) csv: &'static [Column],
    /// The remark for people if there is no entry.
    pub(crate) nothing: Both,
}

/// Prints a list that is one answer of the API.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn print(args: &ListArgs, shape: &Shape, answer: &Value) -> Result<(), Failure> {
    if args.format() == Format::Json {
        return output::json(answer);
    }
    let entries = answer[shape.member].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut sink = Sink::new(args.format(), shape);
    sink.add(entries)?;
    sink.end(None)
}

/// Prints a list that the API gives page by page.
///
/// # Errors
/// When a page cannot be read, or when standard output cannot be written.
pub(crate) async fn print_pages(
    api: &Api,
    (path, query): (&str, &Query),
    shape: &Shape,
    page: &PageArgs,
    args: &ListArgs,
) -> Result<(), Failure> {
    let mut sink = Sink::new(args.format(), shape);
    let (mut left, mut cursor) = (page.limit, page.cursor.clone());
    let bar = progress::count(page.all, word("条已读取", "entries read"));
    loop {
        let limit = if page.all { MOST_OF_A_PAGE } else { left };
        let query = query.clone().with("cursor", cursor.as_ref()).with("limit", Some(limit));
        let answer = api.get(&query.of(path)).await?;
        let entries = answer[shape.member].as_array().map(Vec::as_slice).unwrap_or_default();
        left = left.saturating_sub(entries.len() as u32);
        bar.inc(entries.len() as u64);
        let is_read = sink.add(entries)?;
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        // A page may have few entries, or no entry, and yet lead to another page.
        if cursor.is_none() || !is_read || (!page.all && left == 0) {
            break;
        }
    }
    bar.finish_and_clear();
    sink.end(cursor.as_deref())
}

/// Prints entries in one format.
struct Sink<'a> {
    shape: &'a Shape,
    format: Format,
    /// The head was printed.
    has_begun: bool,
    /// Entries were printed.
    has_entries: bool,
    /// The rows of a table, whose widths are known only at the end.
    rows: Vec<Vec<String>>,
}

impl<'a> Sink<'a> {
    const fn new(format: Format, shape: &'a Shape) -> Self {
        Self { shape, format, has_begun: false, has_entries: false, rows: Vec::new() }
    }

    /// Prints entries, or keeps them for the table. False: nobody reads any more.
    fn add(&mut self, entries: &[Value]) -> Result<bool, Failure> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        match self.format {
            Format::Table => {
                let row = |entry| self.shape.table.iter().map(|column| column.text(entry)).collect();
                self.rows.extend(entries.iter().map(row));
                Ok(true)
            }
            Format::Json => {
                let mut text =
                    if is_first { format!("{{\"{}\":[", self.shape.member) } else { String::new() };
                for entry in entries {
                    if std::mem::replace(&mut self.has_entries, true) {
                        text.push(',');
                    }
                    text.push_str(&entry.to_string());
                }
                output::json_part(&text)
            }
            Format::Csv => {
                let head =
                    is_first.then(|| self.shape.csv.iter().map(|column| column.head.to_owned()).collect());
                let row = |entry| self.shape.csv.iter().map(|column| column.csv(entry)).collect();
                output::text(&csv(head.into_iter().chain(entries.iter().map(row)))?)
            }
        }
    }

    /// Prints what only the end knows.
    fn end(self, cursor: Option<&str>) -> Result<(), Failure> {
        match self.format {
            Format::Json => {
                let cursor = cursor
                    .map_or_else(String::new, |cursor| format!(",\"next_cursor\":{}", Value::from(cursor)));
                output::json_part(&format!("]{cursor}}}\n")).map(|_| ())
            }
            Format::Csv => {
                say_more(cursor);
                Ok(())
            }
            Format::Table if self.rows.is_empty() => {
                output::remark(self.shape.nothing);
                say_more(cursor);
                Ok(())
            }
            Format::Table => {
                let heads: Vec<&str> =
                    self.shape.table.iter().map(|column| heads::shown(column.head)).collect();
                output::line(&output::table(&heads, &self.rows))?;
                say_more(cursor);
                Ok(())
            }
        }
    }
}

fn say_more(cursor: Option<&str>) {
    if let Some(cursor) = cursor {
        output::remark(say!(
            "还有更多：--all 列出全部，--cursor {cursor} 接着列出",
            "there are more: --all lists all of them, --cursor {cursor} lists the next"
        ));
    }
}

/// Rows as CSV (RFC 4180).
fn csv(rows: impl Iterator<Item = Vec<String>>) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::run(say!("列表不能写成 CSV：{error}", "cannot write the list as CSV: {error}"))
    };
    let mut writer = Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_no_formula() {
        let columns = [Column::at("text", "/text"), Column::at("number", "/number")];
        let row = |entry: Value| columns.iter().map(|column| column.csv(&entry)).collect::<Vec<_>>();
        assert_eq!(row(json!({ "text": "=1+1", "number": -1 })), ["'=1+1", "-1"]);
        assert_eq!(row(json!({ "text": "a,\"b\"" })), ["a,\"b\"", ""]);
        assert_eq!(
            csv([row(json!({ "text": "a,\"b\"\n咖" }))].into_iter()).unwrap(),
            "\"a,\"\"b\"\"\n咖\",\n"
        );
    }

    #[test]
    fn a_value_is_shown_without_json_around_it() {
        assert_eq!(text(&json!(["a", "b"])), "a b");
        assert_eq!(text(&json!(null)), "");
        assert_eq!(text(&json!(true)), "true");
        assert_eq!(text(&json!([{ "a": 1 }])), "[{\"a\":1}]");
    }
}
