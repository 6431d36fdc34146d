//! Texts with `code` in backticks, as HTML.

/// Escapes a text and turns backticks into `<code>`.
pub(super) fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
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
