//! What an address without a page answers.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer;
use super::frame::{Frame, Request};

#[derive(Template)]
#[template(path = "missing.html")]
struct MissingPage {
    frame: Frame,
}

/// There is no page at this address.
pub(super) fn show(request: &Request<'_>) -> Response {
    // The other language has no such page either.
    let mut frame = Frame::new(&Request { slug: "", ..*request });
    for page in frame.parts.iter_mut().flat_map(|part| &mut part.pages) {
        page.is_here = false;
    }
    answer::with_status(StatusCode::NOT_FOUND, request.headers, &MissingPage { frame })
}
