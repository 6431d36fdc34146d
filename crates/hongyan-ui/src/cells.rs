//! Texts of strangers in a spreadsheet.

use std::borrow::Cow;

/// The text of a cell. A spreadsheet would take a text that begins like a formula for one, and compute it: such a text gets a
/// `'` before it.
pub fn cell_text(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}").into() } else { text.into() }
}
