//! The gateway's own pages, in the look of all pages of Hongyan: the front page, and the pages to which refusals link.
//!
//! | module | knows |
//! | --- | --- |
//! | `frame` | what is around each page |
//! | `front`, `calls` | `GET /`, and the calls that it lists |
//! | `explained` | `GET /errcodes` and `GET /problems`, with their search, and each entry on a page of its own |
//! | `missing` | what a path without content answers: a page to a browser, a problem to a program |
//! | `marked` | texts with `code` in backticks, as HTML |
//! | `words` | the words of these pages |

#![allow(clippy::unused_self, reason = "a template calls methods of its page")]

mod calls;
mod explained;
mod frame;
mod front;
mod marked;
mod missing;
mod words;

use axum::Router;
use axum::routing::get;
use hongyan_ui::assets;

pub use calls::calls_in_chinese;
pub(crate) use missing::missing;

/// All pages, and what the pages of the gateway and of the console load.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(front::show))
        .route("/errcodes", get(explained::errcodes))
        .route("/errcodes/{code}", get(explained::errcode))
        .route("/problems", get(explained::problems))
        .route("/problems/{code}", get(explained::problem))
        .merge(assets::routes())
}
