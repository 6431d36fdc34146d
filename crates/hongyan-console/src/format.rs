//! How times, numbers, states and ids look. Each of these types writes HTML in which every text is escaped.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;
use serde::Deserialize;

use crate::words::Words;

/// A moment, as the API writes it (RFC 3339). The script of a page shows it in the reader's own time zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct At(pub(crate) String);

impl Display for At {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Nothing but what a moment is made of.
        if !self.0.bytes().all(|byte| byte.is_ascii_digit() || b"-:.+TZ".contains(&byte)) {
            return Ok(());
        }
        let date = self.0.get(..10).unwrap_or(&self.0);
        let time = self.0.get(11..19).unwrap_or_default();
        write!(f, "<time datetime=\"{}\" class=\"nowrap\">{date} {time} UTC</time>", self.0)
    }
}

impl HtmlSafe for At {}

/// A number for people: 12,345.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count(pub(crate) u64);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.char_indices() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl HtmlSafe for Count {}

/// The state of a message, in its colour.
pub(crate) struct StateMark<'a>(pub(crate) &'a str, pub(crate) Words);

impl Display for StateMark<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let colour = colour_of(self.0);
        write!(f, "<span class=\"s {colour}\">")?;
        askama::filters::escape(self.1.state_name(self.0), askama::filters::Html)
            .map_err(|_| fmt::Error)?
            .fmt(f)?;
        f.write_str("</span>")
    }
}

impl HtmlSafe for StateMark<'_> {}

/// The colour of a state: it went well, it went wrong, it waits, it is under way.
pub(crate) fn colour_of(state: &str) -> &'static str {
    match state {
        "sent" | "delivered" => "ok",
        "failed" | "refused" | "expired" | "unknown" => "bad",
        "waiting" | "scheduled" => "wait",
        "ready" | "sending" => "run",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_commas_and_times_nothing_foreign() {
        let shown = [0, 12, 123, 1_234, 1_234_567].map(|number| Count(number).to_string());
        assert_eq!(shown, ["0", "12", "123", "1,234", "1,234,567"]);
        let at = At("2026-11-27T01:02:03.004Z".into()).to_string();
        assert_eq!(
            at,
            "<time datetime=\"2026-11-27T01:02:03.004Z\" class=\"nowrap\">2026-11-27 01:02:03 UTC</time>"
        );
        assert_eq!(At("\"><script>".into()).to_string(), "");
    }
}
