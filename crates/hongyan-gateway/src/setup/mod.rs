//! The set-up: apps, webhooks and API keys that the configuration names, and that must exist when the gateway serves.
//!
//! | file | has |
//! | --- | --- |
//! | `declared.rs` | [`Setup`]: what the configuration names |
//! | `read.rs` | reads the entries of the configuration, and the files with their secrets |
//! | `plan.rs` | compares the set-up with the database: what is to be done, and what stays although nobody names it |
//! | `words.rs` | what is to be done and what stays, for people |
//! | `apply.rs` | carries a plan out |
//!
//! A start reads the whole set-up before it opens the database, and makes the whole plan before its first step. So a wrong
//! entry changes nothing. The steps are the changes of the API, with the same checks and with lines in the audit trail. What
//! the set-up does not name is never removed: a file that was mounted wrongly must not remove an app with its permits.

mod apply;
mod declared;
mod plan;
mod read;
mod words;

pub(crate) use apply::Applier;
pub use declared::Setup;
pub use plan::{Plan, Present, Step};
pub use words::{Remark, StepName};
