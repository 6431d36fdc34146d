//! Printing: results on standard output, remarks on standard error.

use std::borrow::Cow;
use std::io::{ErrorKind, Write};

use serde::Serialize;

use crate::failure::Failure;
use crate::printable;

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
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::run(format!("cannot write the result as JSON: {error}")))?;
    line(&printable::json(&text))
}

/// Prints a remark for the person at the terminal on standard error, apart from the results.
pub(crate) fn remark(text: &str) {
    eprintln!("{}", printable::lines(text));
}

/// Prints a warning on standard error.
pub(crate) fn warn(text: &str) {
    eprintln!("hongyan: {}", printable::lines(text));
}

/// Columns as wide as their widest cell, two spaces between them. Empty without rows.
///
/// Chinese characters are counted as two columns, which is how terminals show them.
///
/// Cells hold texts that others wrote: each cell is printed as one line without control characters.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| printable::line(cell)).collect()).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
    for row in &rows {
        for (width_so_far, cell) in widths.iter_mut().zip(row) {
            *width_so_far = (*width_so_far).max(width(cell));
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, wide) in cells.zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', wide - width(cell) + 2));
        }
        text.truncate(text.trim_end().len());
        text
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(AsRef::as_ref))));
    lines.join("\n")
}

fn width(text: &str) -> usize {
    // Nearly all letters in names and titles from Hangul Jamo on are wide.
    const FIRST_WIDE: char = '\u{1100}';
    let is_wide = |c: char| c >= FIRST_WIDE && !('\u{2000}'..='\u{2e7f}').contains(&c);
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_under_chinese() {
        let rows = vec![vec!["咖啡".into(), "x".into()], vec!["tea".into(), "yy".into()]];
        assert_eq!(table(&["name", "is"], &rows), "name  is\n咖啡  x\ntea   yy");
    }

    #[test]
    fn a_cell_moves_no_cursor() {
        let rows = vec![vec!["x\u{1b}[31m\nwx2".into(), "y".into()]];
        assert_eq!(table(&["name", "is"], &rows), "name                 is\nx\\u{1b}[31m\\u{a}wx2  y");
    }
}
