//! What all pages share, those of the gateway, of the console and of the sandbox: what is around the content, one style
//! sheet, two languages, the picture of a card.
//!
//! | module | knows |
//! | --- | --- |
//! | [`language`] | the two languages, and which one a reader wants |
//! | [`texts!`] | how a page keeps its words in both languages |
//! | [`document`] | the head of every page |
//! | [`shell`] | what most pages have around their content |
//! | [`answer`] | a page as an answer |
//! | [`assets`] | the style sheet and the scripts, and at which path they are served |
//! | [`headers`] | what a browser may do with a page |
//! | [`card`] | a message as its user sees it in WeChat |
//! | [`cells`] | a text in a spreadsheet |
//!
//! It knows no call, no store and no rule.

mod answer;
pub mod assets;
pub mod card;
pub mod cells;
pub mod document;
pub mod headers;
pub mod language;
pub mod shell;
mod texts;

pub use answer::{answer, public_answer};
pub use card::Card;
pub use document::Document;
pub use language::Language;
pub use shell::{Link, Shell};
