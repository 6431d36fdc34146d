//! A path without content: a browser gets a page, a program gets a problem.

use askama::Template;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use hongyan_ui::{Language, Shell};

use super::frame::frame;
use super::marked;
use super::words::Words;
use crate::problem::Problem;

/// The first parts of paths that only programs ask for.
const OF_PROGRAMS: [&str; 3] = ["/v1/", "/mp/", "/callback/"];

#[derive(Template)]
#[template(path = "missing.html")]
struct MissingPage {
    frame: Shell,
    words: Words,
    heading: &'static str,
    text: String,
    /// The path is that of an errcode.
    is_errcode: bool,
}

/// There is nothing at this path.
pub(crate) fn missing(method: &Method, address: &Uri, headers: &HeaderMap) -> Response {
    let path = address.path();
    let is_page = (method == Method::GET || method == Method::HEAD)
        && !OF_PROGRAMS.iter().any(|program| path.starts_with(program))
        && prefers_html(headers);
    if !is_page {
        return Problem::not_found(format!("there is nothing at {path}")).into_response();
    }
    let is_errcode = path.starts_with("/errcodes/");
    let frame = frame(if is_errcode { "/errcodes" } else { "" }, address, headers);
    let words = Words(frame.language);
    let (heading, text) = if is_errcode {
        (words.unknown_errcode(), words.nothing_found().to_owned())
    } else {
        (words.missing(), marked::html(&words.missing_text(path)))
    };
    let page = MissingPage { frame, words, heading, text, is_errcode };
    let mut response = hongyan_ui::answer(StatusCode::NOT_FOUND, &page);
    Language::keep_asked(address.query(), response.headers_mut());
    response
}

/// Whether a client names HTML among what it accepts, and JSON not before HTML. Browsers do; curl (`*/*`) does not.
fn prefers_html(headers: &HeaderMap) -> bool {
    let mut best: Option<(f32, bool)> = None;
    let lists = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    for range in lists.flat_map(|list| list.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_html = matches!(media_type.as_str(), "text/html" | "application/xhtml+xml");
        if !is_html && media_type != "application/json" && !media_type.ends_with("+json") {
            continue;
        }
        let quality =
            parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, is_html));
        }
    }
    best.is_some_and(|(_, is_html)| is_html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_a_page_and_a_program_does_not() {
        let prefers = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            prefers_html(&headers)
        };
        assert!(prefers("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(prefers("application/json;q=0.5, Text/HTML"));
        for program in [
            "*/*",
            "application/json",
            "application/json, text/plain, */*",
            "text/html;q=0",
            "text/html;q=0.5, application/problem+json",
            "",
        ] {
            assert!(!prefers(program), "{program}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
