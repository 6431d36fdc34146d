//! People: who may use the console, and what each may do there.
//!
//! The console shows what `/v1` answers, and changes things through `/v1`, in the same process. So a person passes the same
//! guard as an API key: what a person may do is decided there, call by call, and a page cannot offer more than that.
//!
//! | module | knows |
//! | --- | --- |
//! | `role` | which role may make which call |
//! | [`password`] | how passwords are hashed |
//! | `weakness` | which passwords are not good enough |
//! | `sessions` | who is logged in, and for how long |
//! | `client` | from where somebody logs in |
//! | `own_sessions` | a person's own sessions: which are open, and ending them |
//! | `guesses` | how often somebody may try a password or a code |
//! | [`totp`] | the codes of a second factor |
//! | `login_step` | the time between the right password and the code |
//! | `factor` | setting up a second factor, and taking it away |
//! | `user_header` | people whom a reverse proxy has logged in |
//! | [`admin`] | adding people, and what an admin changes about them |

pub mod admin;
mod client;
mod factor;
mod guesses;
mod login_step;
mod own_sessions;
pub mod password;
mod role;
mod sessions;
pub mod totp;
mod user_header;
mod weakness;

use std::sync::Arc;

use hongyan_ledger::PersonId;
use hongyan_wechat::AppId;

pub use client::LoginClient;
pub use factor::{FactorError, NewFactor};
pub use own_sessions::OpenSession;
pub use role::Role;
pub use sessions::{LoggedIn, LoginError, PasswordError, SESSION_PREFIX, Session, Sessions};
pub use user_header::UserHeader;
pub use weakness::Weakness;

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
