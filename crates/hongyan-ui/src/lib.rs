//! What all pages share, those of the gateway, of the console and of the sandbox: one style sheet, two languages, the
//! picture of a card.
//!
//! | module | knows |
//! | --- | --- |
//! | [`language`] | the two languages, and which one a reader wants |
//! | [`texts!`] | how a page keeps its words in both languages |
//! | [`assets`] | the style sheet and the scripts, and at which path they are served |
//! | [`headers`] | what a browser may do with a page |
//! | [`card`] | a message as its user sees it in WeChat |
//!
//! It knows no request, no store and no rule: whoever serves pages builds on it.

pub mod assets;
pub mod card;
pub mod headers;
pub mod language;
mod texts;

pub use card::Card;
pub use language::Language;
