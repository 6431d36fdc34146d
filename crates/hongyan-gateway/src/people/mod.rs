//! People: who may use the console, and what each may do there.
//!
//! The console shows what `/v1` answers, and changes things through `/v1`, in the same process. So a person passes the same
//! guard as an API key: what a person may do is decided there, call by call, and a page cannot offer more than that.

mod role;

use std::sync::Arc;

use hongyan_ledger::PersonId;
use hongyan_wechat::AppId;

pub use role::Role;

/// A person who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The person's id, as it stands in the audit trail.
    pub id: PersonId,
    /// The name that the person logs in with.
    pub name: Arc<str>,
    /// What the person may do.
    pub role: Role,
    /// The apps that the person may see; `None`: all apps, also those that are registered later.
    pub apps: Option<Vec<AppId>>,
}
