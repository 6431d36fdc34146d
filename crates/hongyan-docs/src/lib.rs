//! The pages of `docs/` as a site at `/docs`, in English and Chinese, with a search and the descriptions of all calls.
//!
//! The binary has the whole site: a build script packs the Markdown, and a page is made from it when it is first asked for.
//! No page needs a script, and no page asks another host. Why no mdBook: `docs/decisions/0020`.
//!
//! | module | knows |
//! | --- | --- |
//! | `sources` | the Markdown and the pictures, as they are packed |
//! | `summary` | the order of the pages, from `docs/SUMMARY.md` |
//! | `place` | at which address a file of the repository is served, and where a link leads |
//! | `markdown` | a page's Markdown as HTML, with its headings and its texts for the search |
//! | `table` | tables of Markdown as HTML that fits a narrow screen |
//! | `book` | all pages in one language |
//! | `search` | finds sections of pages, in both languages |
//! | `reference` | the calls of the gateway and of the sandbox, from their OpenAPI descriptions |
//! | `html` | texts as HTML |
//! | `pages` | the handlers, what is around each page, and the words |
//!
//! To add a page: its file in `docs/`, the same page in Chinese, and a line in `docs/SUMMARY.md` and in
//! `docs/SUMMARY.zh-CN.md`.

#![allow(
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    reason = "a template calls methods of its page, and hands over references"
)]

mod book;
mod html;
mod markdown;
mod pages;
mod place;
mod reference;
mod search;
mod sources;
mod summary;
mod table;

use axum::Router;

/// The site, for [`hongyan_gateway::Gateway::with_pages`] and [`hongyan_sandbox::Sandbox::with_pages`].
pub fn router() -> Router {
    pages::router()
}
