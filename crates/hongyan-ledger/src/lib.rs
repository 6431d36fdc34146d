//! The rules: what a message may become, what a permit is worth, and what an answer of WeChat does to both.
//!
//! Everything here is a plain function on plain values: no I/O, no clock, no randomness. The caller brings the time and the
//! random number, and carries out what the function decided. So the rules can be read, and tested over every sequence of
//! events, without a database or a network.
//!
//! | module | knows |
//! | --- | --- |
//! | [`ids`] | identifiers and the lane that each carries |
//! | [`lane`] | which of the fixed slices a user belongs to |
//! | [`shares`] | how lanes are shared out among nodes |
//! | [`message`] | the states of a message and the moves between them |
//! | [`permit`] | kinds of permits, which one to use |
//! | [`units`] | what a permit is counted in |
//! | [`gate`] | whether an app's messages may go out |
//! | [`start`] | what happens to a message whose moment has come |
//! | [`settle`] | what an attempt's outcome does to message, permit and app |
//! | [`explain`] | why a message found no permit |
//! | [`acceptance`] | how an acceptance that is reported twice counts once |
//! | [`sent_report`] | which message a report of WeChat's is about |
//! | [`resolve`] | what an operator's decision does to a message of unknown outcome |
//! | [`retry`] | how long to wait before the next attempt |
//! | [`tally`] | what is counted of messages over time, and in which steps |
//! | [`rate`] | how often something may happen |
//! | [`webhook`] | the types of events, who wants them, when a webhook is tried again |
//! | `enums` | numbers and names by which values of enums are stored and shown |
//! | [`breaker`] | when WeChat counts as down for an app, and when it is asked again |
//!
//! This crate stores nothing: `hongyan-store` does.

pub mod acceptance;
pub mod breaker;
mod enums;
pub mod explain;
pub mod gate;
pub mod ids;
pub mod lane;
pub mod message;
pub mod permit;
pub mod rate;
pub mod resolve;
pub mod retry;
pub mod sent_report;
pub mod settle;
pub mod shares;
pub mod start;
pub mod tally;
pub mod units;
pub mod webhook;

#[cfg(test)]
mod properties;

pub use ids::{EventId, KeyId, MessageId, PermitId, PersonId, TokenId, WebhookEventId, WebhookId};
pub use lane::{LANES, Lane, app_number, user_number};
pub use message::{Channel, MessageState, OnUnknown, PermitPolicy, ReasonCode, WaitingOrder};
pub use permit::{Permit, PermitKind};
pub use units::Units;
