//! What is around each page: the list of pages, the search, the switch of the language.

use std::ops::Deref;

use axum::http::{HeaderMap, Uri};
use hongyan_ui::{Language, Link, Shell};

use super::assets::{SCRIPT, STYLE};
use super::words::Words;
use crate::book::{Book, Page};
use crate::reference;
use crate::{place, reference::words::Words as CallWords};

/// What somebody asks for.
pub(super) struct Request<'a> {
    pub(super) language: Language,
    /// The address inside the language.
    pub(super) slug: &'a str,
    pub(super) address: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

/// What every page has around its content.
pub(super) struct Frame {
    shell: Shell,
    pub(super) words: Words,
    pub(super) parts: Vec<Part>,
    /// What was searched for.
    pub(super) sought: String,
}

/// Pages with one topic, in the list of pages.
pub(super) struct Part {
    pub(super) title: Option<&'static str>,
    pub(super) pages: Vec<Listed>,
}

/// A page in the list.
pub(super) struct Listed {
    pub(super) address: String,
    pub(super) name: &'static str,
    pub(super) is_here: bool,
    /// The page is only in English, and the reader reads Chinese.
    pub(super) is_foreign: bool,
    /// The page belongs to the page above it.
    pub(super) is_below: bool,
}

impl Deref for Frame {
    type Target = Shell;
    fn deref(&self) -> &Shell {
        &self.shell
    }
}

impl Frame {
    pub(super) fn new(request: &Request<'_>) -> Self {
        let Request { language, slug, address, .. } = *request;
        let words = Words(language);
        let home = language.pick("/docs/zh/", "/docs/en/");
        // The switch of the language leads to the same page in the other language, which has another path.
        let query = address.query().map(|query| format!("?{query}")).unwrap_or_default();
        let other = place::address(language.other(), slug) + &query;
        let other = other.parse().unwrap_or_else(|_| Uri::from_static(place::ROOT));
        let mut shell = Shell::new(language, (home, words.docs()), Vec::new(), other);
        shell.foot = vec![Link { path: "/", name: words.home(), is_here: false }];
        Self { shell, words, parts: parts(language, slug), sought: String::new() }
    }

    pub(super) fn own_style(&self) -> String {
        STYLE.path()
    }

    pub(super) fn own_script(&self) -> String {
        SCRIPT.path()
    }

    /// The address of the search.
    pub(super) fn search(&self) -> String {
        place::address(self.language, "search")
    }
}

/// The list of pages.
fn parts(language: Language, here: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for page in &Book::of(language).pages {
        if !page.is_listed && !here.starts_with(folder(page)) {
            continue;
        }
        if parts.last().is_none_or(|part| part.title != page.part) {
            parts.push(Part { title: page.part, pages: Vec::new() });
        }
        let pages = &mut parts.last_mut().expect("a part was added").pages;
        pages.push(Listed {
            address: place::address(language, &page.slug),
            name: &page.name,
            is_here: page.slug == here,
            is_foreign: page.language != language,
            is_below: !page.is_listed,
        });
        // The calls stand behind the page that explains them.
        let api = match page.slug.as_str() {
            "api" => reference::api("gateway"),
            "sandbox" => reference::api("sandbox"),
            _ => None,
        };
        pages.extend(api.map(|api| {
            let address = reference::address(language, api, None);
            let is_here = here.strip_prefix("reference/").is_some_and(|slug| slug.starts_with(api.slug));
            Listed {
                address,
                name: CallWords(language).api(api.slug),
                is_here,
                is_foreign: false,
                is_below: false,
            }
        }));
    }
    parts
}

/// The folder of a page.
fn folder(page: &Page) -> &str {
    page.slug.split_once('/').map_or(page.slug.as_str(), |(folder, _)| folder)
}
