//! Access tokens.
//!
//! WeChat limits how many tokens an app may fetch in a day, and by the old call each fetch kills the token before
//! it. So: one fetch at a time per app however many ask; what was fetched is stored, so that a restart fetches
//! nothing; a refused token is replaced only if it is still the one that was refused; and a fetch that WeChat
//! refuses for good (a wrong secret, an address that is not listed) pauses the app instead of being repeated.
//!
//! Tokens are told apart by their *generation*, which counts fetches that gave a new value.
//!
//! | file | knows |
//! | --- | --- |
//! | `keeper.rs` | gives out tokens, fetches them, and keeps them fresh |
//! | `cell.rs` | what is held of one app's token |
//! | `outcome.rs` | what asking ends in |

mod cell;
mod keeper;
mod outcome;

pub use cell::TokenCell;
pub(crate) use keeper::refuses_every_fetch;
pub use outcome::{Token, TokenError};

#[cfg(test)]
mod tests;
