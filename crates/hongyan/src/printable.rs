//! Makes texts of other people safe to print on a terminal.
//!
//! An app's name, WeChat's errmsg or an operator's remark may hold control characters. A terminal obeys them: it changes
//! colours, titles and earlier lines, or shows a name reversed. So control characters are printed as escapes.

use std::borrow::Cow;

/// Whether a character would mislead a terminal or a reader.
fn misleads(letter: char) -> bool {
    letter.is_control()
        // Line and paragraph separators that programs do not treat as line ends.
        || matches!(letter, '\u{2028}' | '\u{2029}')
        // Characters that change the direction of text (Unicode's bidirectional controls).
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of one line, with such characters as escapes like `\u{1b}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    spelt(text, misleads, |letter| letter.escape_unicode().to_string())
}

/// A text of several lines.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let misleads = |letter| letter != '\n' && letter != '\t' && misleads(letter);
    spelt(text, misleads, |letter| letter.escape_unicode().to_string())
}

/// JSON text that stays the same JSON. The JSON writer has escaped the ASCII controls already.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    // All these characters are in Unicode's first plane: four digits are enough.
    spelt(text, misleads, |letter| format!("\\u{:04x}", u32::from(letter)))
}

fn spelt(text: &str, misleads: impl Fn(char) -> bool, spell: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(&misleads) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if misleads(letter) {
            out.push_str(&spell(letter));
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_spelt_out_and_everything_else_stays() {
        assert_eq!(line("咖啡 ☕ a\u{200d}b"), "咖啡 ☕ a\u{200d}b");
        assert_eq!(line("x\u{1b}[31mRED\u{7}\r\n\u{9b}2J"), "x\\u{1b}[31mRED\\u{7}\\u{d}\\u{a}\\u{9b}2J");
        assert_eq!(line("wx\u{202e}fdp\u{2066}"), "wx\\u{202e}fdp\\u{2066}");
        assert_eq!(lines("a\n\tb\u{1b}\r"), "a\n\tb\\u{1b}\\u{d}");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "name": "a\u{1b}\u{9b}\u{202e}\u{7f}咖啡" });
        let text = value.to_string();
        let printed = json(&text);
        assert!(!printed.contains(misleads), "{printed}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }
}
