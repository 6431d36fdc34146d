//! Printing: results on standard output, remarks on standard error.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::failure::Failure;
use crate::printable;
use crate::text::{Text, say};

/// Prints a line of a result and flushes it: a reader behind a pipe waits for the line.
///
/// # Errors
/// When standard output cannot be written. A reader that went away (`| head`) is no error.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    bytes(format!("{}\n", printable::lines(text)).as_bytes())
}

/// Prints a result unchanged.
///
/// # Errors
/// As [`line()`].
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    written(bytes).map(|_| ())
}

/// Prints a part of a result; false: the reader went away. Control characters are escaped only for a terminal: a file gets
/// the text as it is.
///
/// # Errors
/// As [`line()`].
pub(crate) fn text(text: &str) -> Result<bool, Failure> {
    if std::io::stdout().is_terminal() {
        return written(printable::lines(text).as_bytes());
    }
    written(text.as_bytes())
}

/// Prints a part of a JSON document; false: the reader went away.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json_part(text: &str) -> Result<bool, Failure> {
    match text.strip_suffix('\n') {
        Some(text) => written(format!("{}\n", printable::json(text)).as_bytes()),
        None => written(printable::json(text).as_bytes()),
    }
}

fn written(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            Err(Failure::run(say!("不能写到标准输出：{error}", "cannot write to standard output: {error}")))
        }
    }
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| {
        Failure::run(say!("结果不能写成 JSON：{error}", "cannot write the result as JSON: {error}"))
    })?;
    line(&printable::json(&text))
}

/// Prints a remark for the person at the terminal on standard error, apart from the results.
pub(crate) fn remark(text: impl Into<Text>) {
    eprintln!("{}", printable::lines(text.into().shown()));
}

/// Prints a warning on standard error.
pub(crate) fn warn(text: impl Into<Text>) {
    eprintln!("hongyan: {}", printable::lines(text.into().shown()));
}

/// Prints one row for each member of an object; nested values are printed as JSON.
///
/// # Errors
/// As [`line()`].
pub(crate) fn members(head: &[&str; 2], object: &Value) -> Result<(), Failure> {
    let row = |(name, value): (&String, &Value)| {
        vec![name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)]
    };
    let rows: Vec<_> = object.as_object().into_iter().flatten().map(row).collect();
    line(&table(head, &rows))
}

/// Columns as wide as their widest cell, two spaces between them. Empty without rows.
///
/// Chinese characters are counted as two columns, which is how terminals show them.
///
/// Cells hold texts that others wrote: each cell is printed as one line without control characters.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| printable::line(cell)).collect()).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.width()).collect();
    for row in &rows {
        for (width_so_far, cell) in widths.iter_mut().zip(row) {
            *width_so_far = (*width_so_far).max(cell.width());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, wide) in cells.zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', wide - cell.width() + 2));
        }
        text.truncate(text.trim_end().len());
        text
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(AsRef::as_ref))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_under_chinese() {
        let rows = vec![vec!["咖啡".into(), "x".into()], vec!["tea".into(), "yy".into()]];
        assert_eq!(table(&["name", "is"], &rows), "name  is\n咖啡  x\ntea   yy");
        // A combining mark takes no column, a picture takes two.
        let rows = vec![vec!["e\u{301}☕".into(), "x".into()]];
        assert_eq!(table(&["ab", "is"], &rows), "ab   is\ne\u{301}☕  x");
    }

    #[test]
    fn a_cell_moves_no_cursor() {
        let rows = vec![vec!["x\u{1b}[31m\nwx2".into(), "y".into()]];
        assert_eq!(table(&["name", "is"], &rows), "name                 is\nx\\u{1b}[31m\\u{a}wx2  y");
    }
}
