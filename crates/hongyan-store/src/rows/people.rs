//! People, their sessions, and links that log them in.

use hongyan_clock::UnixMillis;
use hongyan_ledger::PersonId;

use crate::row_error::RowResult;
use crate::types::{ConsoleSession, LoginLink, PersonRecord};

/// Questions about people, and writes.
pub(crate) trait PeopleRows {
    /// All people, by name.
    fn people(&self) -> RowResult<Vec<PersonRecord>>;

    /// The person with this id.
    fn person_by_id(&self, id: PersonId) -> RowResult<Option<PersonRecord>>;

    /// The person with this name.
    fn person_by_name(&self, name: &str) -> RowResult<Option<PersonRecord>>;

    /// Writes a new person.
    fn insert_person(&self, person: &PersonRecord) -> RowResult<()>;

    /// Writes all of a person that may change.
    fn update_person(&self, person: &PersonRecord) -> RowResult<()>;

    /// Removes a person. `false`: there is none with this id.
    fn delete_person(&self, id: PersonId) -> RowResult<bool>;

    /// Writes a session.
    fn insert_console_session(&self, session: &ConsoleSession) -> RowResult<()>;

    /// Writes when a session was last used.
    fn console_session_used(&self, hash: [u8; 32], now: UnixMillis) -> RowResult<()>;

    /// Removes a session. `false`: there is none.
    fn delete_console_session(&self, hash: [u8; 32]) -> RowResult<bool>;

    /// Removes a person's sessions, but for this one. Returns how many.
    fn delete_console_sessions(&self, person: PersonId, but: Option<[u8; 32]>) -> RowResult<u32>;

    /// Removes sessions and links that have expired.
    fn delete_expired_console_sessions(&self, now: UnixMillis) -> RowResult<()>;

    /// Writes a link.
    fn insert_login_link(&self, link: &LoginLink) -> RowResult<()>;

    /// Removes a link; whose it was, and until when it was good.
    fn take_login_link(&self, hash: [u8; 32]) -> RowResult<Option<LoginLink>>;

    /// Removes a person's links.
    fn delete_login_links(&self, person: PersonId) -> RowResult<()>;
}
