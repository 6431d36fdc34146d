//! `GET /docs/LANGUAGE/search?q=`: sections of pages, and calls, that have the words.

use askama::Template;
use axum::response::Response;
use hongyan_ui::Language;

use super::answer;
use super::frame::{Frame, Request};
use crate::book::Book;
use crate::search::{Hit, MOST, find};
use crate::{place, reference};

/// With fewer hits than this, the other language is offered.
const LITTLE: usize = 8;

#[derive(Template)]
#[template(path = "found.html")]
struct FoundPage {
    frame: Frame,
    hits: Vec<Hit>,
    /// The same search in the other language, if this language has little and the other has more.
    other: Option<String>,
    /// Words to try.
    examples: [&'static str; 4],
}

impl FoundPage {
    fn count(&self) -> String {
        let words = self.frame.words;
        match self.hits.len() {
            0 => words.nothing(&self.frame.sought),
            1 => words.found_one(&self.frame.sought),
            MOST => words.first_found(MOST, &self.frame.sought),
            count => words.found(count, &self.frame.sought),
        }
    }

    fn search_for(&self, sought: &str) -> String {
        address(self.frame.language, sought)
    }
}

fn address(language: Language, sought: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("{}?{}", place::address(language, "search"), query.append_pair("q", sought).finish())
}

/// Searches.
pub(super) fn show(request: &Request<'_>) -> Response {
    let language = request.language;
    let mut frame = Frame::new(request);
    frame.sought = sought(request);
    let search = |language| find(Book::of(language), &reference::places(language), &frame.sought);
    let hits = search(language);
    let is_elsewhere = hits.len() < LITTLE && search(language.other()).len() > hits.len();
    let other = is_elsewhere.then(|| address(language.other(), &frame.sought));
    let examples =
        language.pick(["额度", "模板", "幂等", "43101"], ["permit", "idempotency", "backup", "43101"]);
    answer::page(request.headers, &FoundPage { frame, hits, other, examples })
}

/// What is asked for.
pub(super) fn sought(request: &Request<'_>) -> String {
    let query = request.address.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let sought = pairs.find(|(name, _)| name == "q").map(|(_, value)| value.into_owned());
    sought.unwrap_or_default().trim().to_owned()
}
