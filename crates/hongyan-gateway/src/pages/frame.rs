//! What is around each page.

use askama::Template;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use hongyan_ui::{Language, Link, Shell, public_answer};
use http::StatusCode;

use super::words::Words;

/// What is around the page at this place of the navigation.
pub(super) fn frame(place: &str, address: &Uri, headers: &HeaderMap) -> Shell {
    let language = Language::wanted(address.query(), headers);
    let words = Words(language);
    let link = |path, name| Link::new(path, name, place);
    let navigation = vec![
        vec![
            link("/", words.front()),
            link("/errcodes", words.errcodes()),
            link("/problems", words.problems()),
        ],
        vec![
            link("/console", words.console()),
            link("/docs", words.docs()),
            link("/openapi.json", "OpenAPI"),
        ],
    ];
    Shell::new(language, ("/", words.hongyan()), navigation, address.clone())
}

/// The page as an answer. A language that the address asks for is kept.
pub(super) fn answer(frame: &Shell, page: &impl Template) -> Response {
    let mut response = public_answer(StatusCode::OK, page);
    Language::keep_asked(frame.address.query(), response.headers_mut());
    response
}
