//! `GET /`: what this is, where its pages are, and every call.

use askama::Template;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use hongyan_ui::Shell;

use super::calls::{GROUPS, Group};
use super::frame::{answer, frame};
use super::marked;
use super::words::Words;

#[derive(Template)]
#[template(path = "front.html")]
struct FrontPage {
    frame: Shell,
    words: Words,
    groups: &'static [Group],
}

impl FrontPage {
    fn marked(&self, text: &str) -> String {
        marked::html(text)
    }
}

/// `GET /`.
pub(super) async fn show(address: Uri, headers: HeaderMap) -> Response {
    let frame = frame("/", &address, &headers);
    let page = FrontPage { words: Words(frame.language), frame, groups: GROUPS };
    answer(&page.frame, &page)
}
