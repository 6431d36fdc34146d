//! People who may use the console, and their sessions.

use hongyan_clock::UnixMillis;
use hongyan_ledger::PersonId;
use hongyan_wechat::AppId;

use super::Sealed;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// The person's id.
    pub id: PersonId,
    /// What the person logs in with, in lower case; no two people have the same.
    pub name: String,
    /// What the person may do: the name of a role.
    pub role: String,
    /// The apps that the person may see; `None`: all, also those that are registered later.
    pub apps: Option<Vec<AppId>>,
    /// The password, hashed with argon2id, as a PHC string.
    pub password: String,
    /// Somebody else has seen the password: nothing is open to the person but to change it.
    pub must_change_password: bool,
    /// The secret of the second factor, sealed.
    pub totp: Option<Sealed>,
    /// The last step of time whose code was used. A code is good once.
    pub totp_step: i64,
    /// How often a password or code was wrong since the last login.
    pub failures: u32,
    /// When the last of them was.
    pub failed_at: Option<UnixMillis>,
    /// When the person was added.
    pub created_at: UnixMillis,
    /// When the person last logged in.
    pub logged_in_at: Option<UnixMillis>,
}

/// What is to change about a person. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonChange {
    /// Another role.
    pub role: Option<String>,
    /// Other apps; `Some(None)`: all.
    pub apps: Option<Option<Vec<AppId>>>,
    /// Another password. It ends the person's sessions, and forgives what was wrong before.
    pub password: Option<NewPassword>,
    /// Another second factor; `Some(None)`: the person has no second factor any more.
    pub totp: Option<Option<NewTotp>>,
    /// Nothing is changed if nobody would be left who has this role and may see all apps.
    pub must_leave: Option<String>,
}

/// What became of a change of a person, or of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonChanged {
    /// It is done; how the person is now, or was when removed.
    Done(Box<PersonRecord>),
    /// There is no person with this id.
    Unknown,
    /// Nothing is changed: this person is the last one who has the role that must not be lost.
    IsLast(Box<PersonRecord>),
}

impl PersonChanged {
    /// The person, if it is done.
    pub fn done(self) -> Option<PersonRecord> {
        match self {
            Self::Done(person) => Some(*person),
            Self::Unknown | Self::IsLast(_) => None,
        }
    }
}

/// Another second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTotp {
    /// The secret, sealed.
    pub sealed: Sealed,
    /// The step of the code that confirmed the secret. This code is used up.
    pub step: i64,
}

/// Another password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPassword {
    /// Hashed with argon2id, as a PHC string.
    pub hash: String,
    /// Somebody else has seen it.
    pub must_change: bool,
    /// The session that goes on: the one in which the person has changed it.
    pub keep_session: Option<[u8; 32]>,
}

/// Somebody is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleSession {
    /// SHA-256 of the token in the cookie.
    pub hash: [u8; 32],
    /// Who.
    pub person: PersonId,
    /// Since when.
    pub created_at: UnixMillis,
    /// When it was last used, roughly.
    pub used_at: UnixMillis,
    /// When it ends, however much it is used.
    pub expires_at: UnixMillis,
    /// The address of the client that logged in.
    pub address: Option<String>,
    /// What that client says of itself.
    pub user_agent: Option<String>,
}

/// A link that logs a person in, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLink {
    /// SHA-256 of its token.
    pub hash: [u8; 32],
    /// Whom.
    pub person: PersonId,
    /// Until when.
    pub expires_at: UnixMillis,
}
