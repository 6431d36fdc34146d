//! Lists in pages: the way to the next one keeps what was asked for.

use crate::visit::Visit;

/// Where the pages around this one are.
pub(crate) struct Pager {
    /// The first page, unless this is it.
    pub(crate) first: Option<String>,
    /// The next page, unless this is the last one.
    pub(crate) next: Option<String>,
}

impl Pager {
    /// Of the page that is asked for, whose answer ends with this cursor.
    pub(crate) fn new(visit: &Visit, next_cursor: Option<String>) -> Self {
        let query = visit.uri.query().unwrap_or_default();
        let path = visit.uri.path();
        let is_later = url::form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "cursor" && !value.is_empty());
        Self {
            first: is_later.then(|| with(path, query, "cursor", None)),
            next: next_cursor.map(|cursor| with(path, query, "cursor", Some(&cursor))),
        }
    }
}

/// An address with another value for one of its parameters, or without it. The language is kept in a cookie, so it is left
/// out.
pub(crate) fn with(path: &str, query: &str, name: &str, value: Option<&str>) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    out.extend_pairs(pairs.filter(|(known, value)| known != name && known != "lang" && !value.is_empty()));
    if let Some(value) = value {
        out.append_pair(name, value);
    }
    let query = out.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A moment that a browser's field `datetime-local` sends, as the API wants it. A browser does not send a zone: it is taken
/// for Beijing's time, in which WeChat counts its days. A moment with its zone is left as it is.
pub(crate) fn moment(text: &str) -> Option<String> {
    let text = text.trim();
    match text.len() {
        0 => None,
        16 => Some(format!("{text}:00+08:00")),
        19 => Some(format!("{text}+08:00")),
        _ => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_what_was_asked_for() {
        assert_eq!(with("/a", "x=1&cursor=2&lang=zh&y=", "cursor", Some("3&4")), "/a?x=1&cursor=3%264");
        assert_eq!(with("/a", "cursor=2", "cursor", None), "/a");
    }

    #[test]
    fn a_moment_without_a_zone_is_beijings() {
        assert_eq!(moment("2026-11-27T09:30").as_deref(), Some("2026-11-27T09:30:00+08:00"));
        assert_eq!(moment("2026-11-27T09:30:00Z").as_deref(), Some("2026-11-27T09:30:00Z"));
        assert_eq!(moment(" "), None);
    }
}
