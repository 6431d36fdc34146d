//! Access tokens.
//!
//! WeChat limits how many tokens an app may fetch in a day, and with the old call each fetch invalidates the previous token.
//! So each app makes one fetch at a time, however many callers ask. A fetched token is stored, so that a restart fetches
//! nothing. A refused token is replaced only if it is still the current token. A fetch that WeChat refuses for good (a wrong
//! secret, an address that is not listed) pauses the app instead of being repeated.
//!
//! A *generation* identifies a token: it counts the fetches that returned a new value.
//!
//! | file | knows |
//! | --- | --- |
//! | `keeper.rs` | returning, fetching and refreshing tokens |
//! | `cell.rs` | the state of one app's token |
//! | `outcome.rs` | the result of asking for a token |
//! | `standing.rs` | how a token stands, for people |

mod cell;
mod keeper;
mod outcome;
mod standing;

pub use cell::TokenCell;
pub(crate) use keeper::refuses_every_fetch;
pub use outcome::{Token, TokenError};
pub(crate) use standing::{FetchFailure, TokenStanding};

#[cfg(test)]
mod tests;
