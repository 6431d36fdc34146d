//! People: who may use the console, and what each may do there.
//!
//! The console shows what `/v1` answers, and changes things through `/v1`, in the same process. So a person passes the same
//! guard as an API key: what a person may do is decided there, call by call, and a page cannot offer more than that.
//!
//! | module | knows |
//! | --- | --- |
//! | `role` | which role may make which call |
//! | [`password`] | how passwords are hashed, and which are good enough |
//! | `sessions` | who is logged in, for how long, and how often somebody may try |
//! | [`admin`] | adding people, and what an admin changes about them |

pub mod admin;
pub mod password;
mod role;
mod sessions;

use std::sync::Arc;

use hongyan_ledger::PersonId;
use hongyan_wechat::AppId;

pub use role::Role;
pub use sessions::{LoginError, PasswordError, SESSION_PREFIX, Session, Sessions};

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
