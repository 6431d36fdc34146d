//! The pages of `docs/`.

use askama::Template;
use axum::response::Response;

use super::answer;
use super::frame::{Frame, Request};
use crate::book::{Book, Page};
use crate::markdown::Heading;
use crate::place;

/// A list of headings is shown if the page has this many.
const FEWEST_HEADINGS: usize = 3;

#[derive(Template)]
#[template(path = "written.html")]
struct WrittenPage {
    frame: Frame,
    page: &'static Page,
    headings: Vec<&'static Heading>,
    previous: Option<&'static Page>,
    next: Option<&'static Page>,
}

impl WrittenPage {
    fn address(&self, page: &Page) -> String {
        place::address(self.frame.language, &page.slug)
    }

    /// The page is not in the reader's language.
    fn is_foreign(&self) -> bool {
        self.page.language != self.frame.language
    }
}

/// Shows a page. `place`: its place in the book.
pub(super) fn show(request: &Request<'_>, place: usize, page: &'static Page) -> Response {
    let pages = &Book::of(request.language).pages;
    let mut headings: Vec<_> = page.content.headings.iter().filter(|heading| heading.level == 2).collect();
    if headings.len() < FEWEST_HEADINGS {
        headings.clear();
    }
    let page = WrittenPage {
        frame: Frame::new(request),
        page,
        headings,
        previous: place.checked_sub(1).and_then(|before| pages.get(before)),
        next: pages.get(place + 1),
    };
    answer::page(request.headers, &page)
}
