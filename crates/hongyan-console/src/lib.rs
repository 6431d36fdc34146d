//! The console: pages for people, at `/console`.
//!
//! A page shows what `/v1` answers and changes things through `/v1`: the console is a caller of the gateway's own API, in
//! the same process and on behalf of a person ([`hongyan_gateway::people`]). So the rules of a call, its bounds, its
//! problems, who may make it, and its line in the audit trail stand in the API alone, and whatever a page shows or does, a
//! script can, too.
//!
//! ```text
//! browser ─▶ door ─▶ visit: session, token of a form, language ─▶ pages/… ─▶ api ─▶ /v1 (guard, audit, store)
//!    ▲                                                               │
//!    └── live: ticks after commits ◀── store's signals               └─▶ frame, words, format ─▶ HTML
//! ```
//!
//! | module | knows |
//! | --- | --- |
//! | `console` | what the pages work with |
//! | `admit` | who is let in, and how a refusal is shown |
//! | `visit` | who asks: session, language, the token that a form must bring |
//! | `figures` | figures over time |
//! | `form` | how a form is read, and that it was sent from one of our pages |
//! | `answers` | answers of the API that all viewers share, and how long a page waits for them |
//! | `apps` | the apps that a person may see, and their templates |
//! | `api` | how a page asks `/v1` |
//! | `refusal` | why something was not done |
//! | `live` | when a page is to be drawn anew |
//! | `page` | how an answer is put into the frame that all pages share |
//! | `pager` | lists in pages, and moments in their filters |
//! | `words` | what all pages call things, in both languages |
//! | `browser` | which browser somebody uses |
//! | `format` | how times, numbers, states and ids look |
//! | `chart` | curves and bars, drawn as SVG |
//! | `pages` | one room for each page: its handler, its template, its words |
//!
//! To add a page: a file in `pages/` with its handlers, a template beside it, its words in [`hongyan_ui::texts!`], its
//! routes in `pages/mod.rs`, a place in the navigation (`page::Place`), and a story in `web-tests/`.

#![allow(
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    reason = "a template calls methods of its page, and hands over references"
)]

mod admit;
mod answers;
mod api;
mod apps;
mod browser;
mod chart;
mod console;
mod figures;
mod form;
mod format;
mod live;
mod page;
mod pager;
mod pages;
mod refusal;
mod visit;
mod words;

use axum::Router;
use hongyan_gateway::Context;

/// All pages, for [`hongyan_gateway::Gateway::with_pages`].
pub fn router(gateway: &Context) -> Router {
    pages::router(console::Console::start(gateway))
}
