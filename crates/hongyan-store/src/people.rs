//! What the store keeps of people who may use the console.

use async_trait::async_trait;
use hongyan_clock::UnixMillis;
use hongyan_ledger::PersonId;

use crate::Result;
use crate::types::{ConsoleSession, LoginLink, PersonChange, PersonChanged, PersonRecord};

/// The verbs about people; a part of [`crate::Store`]. Of passwords it keeps hashes, of sessions and links hashes of their
/// tokens.
#[async_trait]
pub trait PeopleStore {
    /// Adds a person; `false` if there is one with this name.
    async fn add_person(&self, person: PersonRecord) -> Result<bool>;

    /// Changes a person.
    async fn change_person(&self, id: PersonId, change: PersonChange) -> Result<PersonChanged>;

    /// Removes a person and ends the person's sessions, unless nobody would be left who has the role `must_leave` and may
    /// see all apps.
    async fn remove_person(&self, id: PersonId, must_leave: Option<String>) -> Result<PersonChanged>;

    /// All people, by name.
    async fn people(&self) -> Result<Vec<PersonRecord>>;

    /// The person with this name.
    async fn person(&self, name: &str) -> Result<Option<PersonRecord>>;

    /// Notes that a password or a code was wrong; how the person is then.
    async fn login_failed(&self, id: PersonId, now: UnixMillis) -> Result<Option<PersonRecord>>;

    /// Begins a session. With a second factor: uses up the code of this step. `false`: there is no such person any more, or
    /// the code was used before.
    async fn log_in(&self, session: ConsoleSession, totp_step: Option<i64>) -> Result<bool>;

    /// The session of this hash and its person, if it is known and not expired.
    async fn console_session(
        &self,
        hash: [u8; 32],
        now: UnixMillis,
    ) -> Result<Option<(ConsoleSession, PersonRecord)>>;

    /// The sessions of a person that are not expired, newest first.
    async fn console_sessions(&self, person: PersonId, now: UnixMillis) -> Result<Vec<ConsoleSession>>;

    /// Notes that a session is in use.
    async fn console_session_used(&self, hash: [u8; 32], now: UnixMillis) -> Result<()>;

    /// Ends a session; `false` if there is none.
    async fn end_console_session(&self, hash: [u8; 32]) -> Result<bool>;

    /// Ends all sessions of a person. Returns how many there were.
    async fn end_console_sessions(&self, person: PersonId) -> Result<u32>;

    /// Keeps a link that logs a person in, once.
    async fn add_login_link(&self, link: LoginLink) -> Result<()>;

    /// Uses such a link up; whom it logs in, if it is known and not expired.
    async fn take_login_link(&self, hash: [u8; 32], now: UnixMillis) -> Result<Option<PersonRecord>>;
}
