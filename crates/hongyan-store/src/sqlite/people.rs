//! People, their sessions, and links that log them in.

use async_trait::async_trait;
use hongyan_clock::UnixMillis;
use hongyan_ledger::PersonId;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::cells::{Cells, change, many, one};
use super::keys::{apps_from_json, apps_to_json};
use super::memory::Transaction;
use super::row_error::RowResult;
use super::verb::Verb;
use crate::rows::PeopleRows;
use crate::types::{ConsoleSession, LoginLink, PersonChange, PersonChanged, PersonRecord};
use crate::{PeopleStore, Result, verbs};

/// The columns of a person, in the order in which [`read_person`] takes them.
macro_rules! columns {
    () => {
        "id, name, role, apps, password, must_change_password, totp, totp_step, failures, failed_at, created_at, \
         logged_in_at"
    };
}

/// The same, where a session stands beside the person.
macro_rules! columns_of_p {
    () => {
        "p.id, p.name, p.role, p.apps, p.password, p.must_change_password, p.totp, p.totp_step, p.failures, \
         p.failed_at, p.created_at, p.logged_in_at"
    };
}

fn read_person(cells: &mut Cells<'_>) -> RowResult<PersonRecord> {
    Ok(PersonRecord {
        id: PersonId::from_bytes(cells.raw()?),
        name: cells.raw()?,
        role: cells.raw()?,
        apps: apps_from_json(cells.raw()?)?,
        password: cells.raw()?,
        must_change_password: cells.raw()?,
        totp: cells.raw()?,
        totp_step: cells.raw()?,
        failures: cells.raw()?,
        failed_at: cells.moment_or_none()?,
        created_at: cells.moment()?,
        logged_in_at: cells.moment_or_none()?,
    })
}

fn read_session(cells: &mut Cells<'_>) -> RowResult<ConsoleSession> {
    Ok(ConsoleSession {
        hash: cells.raw()?,
        person: PersonId::from_bytes(cells.raw()?),
        created_at: cells.moment()?,
        used_at: cells.moment()?,
        expires_at: cells.moment()?,
        address: cells.raw()?,
        user_agent: cells.raw()?,
    })
}

/// Carries out [`crate::Store::people`].
pub(super) fn all(db: &Connection) -> RowResult<Vec<PersonRecord>> {
    many(db, concat!("SELECT ", columns!(), " FROM people ORDER BY name"), [], read_person)
}

/// Carries out [`crate::Store::person`].
pub(super) fn by_name(db: &Connection, name: &str) -> RowResult<Option<PersonRecord>> {
    one(db, concat!("SELECT ", columns!(), " FROM people WHERE name = ?"), [name], read_person)
}

/// Carries out [`crate::Store::console_session`].
pub(super) fn session(
    db: &Connection,
    hash: [u8; 32],
    now: UnixMillis,
) -> RowResult<Option<(ConsoleSession, PersonRecord)>> {
    one(
        db,
        concat!(
            "SELECT s.hash, s.person, s.created_at, s.used_at, s.expires_at, s.address, s.user_agent, ",
            columns_of_p!(),
            " FROM console_sessions s JOIN people p ON p.id = s.person WHERE s.hash = ? AND s.expires_at > ?"
        ),
        params![hash, now.0],
        |cells| Ok((read_session(cells)?, read_person(cells)?)),
    )
}

/// Carries out [`crate::Store::console_sessions`].
fn sessions(db: &Connection, person: PersonId, now: UnixMillis) -> RowResult<Vec<ConsoleSession>> {
    many(
        db,
        "SELECT hash, person, created_at, used_at, expires_at, address, user_agent FROM console_sessions \
         WHERE person = ? AND expires_at > ? ORDER BY created_at DESC, hash",
        params![person.as_bytes(), now.0],
        read_session,
    )
}

impl PeopleRows for Transaction<'_> {
    fn people(&self) -> RowResult<Vec<PersonRecord>> {
        all(self)
    }

    fn person_by_id(&self, id: PersonId) -> RowResult<Option<PersonRecord>> {
        one(
            self,
            concat!("SELECT ", columns!(), " FROM people WHERE id = ?"),
            params![id.as_bytes()],
            read_person,
        )
    }

    fn person_by_name(&self, name: &str) -> RowResult<Option<PersonRecord>> {
        by_name(self, name)
    }

    fn insert_person(&self, person: &PersonRecord) -> RowResult<()> {
        change(
            self,
            concat!("INSERT INTO people (", columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
            params![
                person.id.as_bytes(),
                person.name,
                person.role,
                apps_to_json(person.apps.as_deref())?,
                person.password,
                person.must_change_password,
                person.totp,
                person.totp_step,
                person.failures,
                person.failed_at.map(|at| at.0),
                person.created_at.0,
                person.logged_in_at.map(|at| at.0)
            ],
        )?;
        Ok(())
    }

    fn update_person(&self, person: &PersonRecord) -> RowResult<()> {
        change(
            self,
            "UPDATE people SET role = ?2, apps = ?3, password = ?4, must_change_password = ?5, totp = ?6, \
             totp_step = ?7, failures = ?8, failed_at = ?9, logged_in_at = ?10 WHERE id = ?1",
            params![
                person.id.as_bytes(),
                person.role,
                apps_to_json(person.apps.as_deref())?,
                person.password,
                person.must_change_password,
                person.totp,
                person.totp_step,
                person.failures,
                person.failed_at.map(|at| at.0),
                person.logged_in_at.map(|at| at.0)
            ],
        )?;
        Ok(())
    }

    fn delete_person(&self, id: PersonId) -> RowResult<bool> {
        Ok(change(self, "DELETE FROM people WHERE id = ?", params![id.as_bytes()])? > 0)
    }

    fn insert_console_session(&self, session: &ConsoleSession) -> RowResult<()> {
        change(
            self,
            "INSERT INTO console_sessions (hash, person, created_at, used_at, expires_at, address, user_agent) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                session.hash,
                session.person.as_bytes(),
                session.created_at.0,
                session.used_at.0,
                session.expires_at.0,
                session.address,
                session.user_agent
            ],
        )?;
        Ok(())
    }

    fn console_session_used(&self, hash: [u8; 32], now: UnixMillis) -> RowResult<()> {
        change(self, "UPDATE console_sessions SET used_at = ?2 WHERE hash = ?1", params![hash, now.0])?;
        Ok(())
    }

    fn delete_console_session(&self, hash: [u8; 32]) -> RowResult<bool> {
        Ok(change(self, "DELETE FROM console_sessions WHERE hash = ?", params![hash])? > 0)
    }

    fn delete_console_sessions(&self, person: PersonId, but: Option<[u8; 32]>) -> RowResult<u32> {
        let deleted = change(
            self,
            "DELETE FROM console_sessions WHERE person = ?1 AND hash IS NOT ?2",
            params![person.as_bytes(), but],
        )?;
        Ok(deleted as u32)
    }

    fn delete_expired_console_sessions(&self, now: UnixMillis) -> RowResult<()> {
        change(self, "DELETE FROM console_sessions WHERE expires_at <= ?", [now.0])?;
        change(self, "DELETE FROM login_links WHERE expires_at <= ?", [now.0])?;
        Ok(())
    }

    fn insert_login_link(&self, link: &LoginLink) -> RowResult<()> {
        change(
            self,
            "INSERT INTO login_links (hash, person, expires_at) VALUES (?, ?, ?)",
            params![link.hash, link.person.as_bytes(), link.expires_at.0],
        )?;
        Ok(())
    }

    fn take_login_link(&self, hash: [u8; 32]) -> RowResult<Option<LoginLink>> {
        let link = one(
            self,
            "SELECT hash, person, expires_at FROM login_links WHERE hash = ?",
            params![hash],
            |cells| {
                Ok(LoginLink {
                    hash: cells.raw()?,
                    person: PersonId::from_bytes(cells.raw()?),
                    expires_at: cells.moment()?,
                })
            },
        )?;
        if link.is_some() {
            change(self, "DELETE FROM login_links WHERE hash = ?", params![hash])?;
        }
        Ok(link)
    }

    fn delete_login_links(&self, person: PersonId) -> RowResult<()> {
        change(self, "DELETE FROM login_links WHERE person = ?", params![person.as_bytes()])?;
        Ok(())
    }
}

#[async_trait]
impl PeopleStore for SqliteStore {
    async fn add_person(&self, person: PersonRecord) -> Result<bool> {
        self.write(Verb::AddPerson, move |tx| verbs::people::add(tx, &person)).await
    }

    async fn change_person(&self, id: PersonId, change: PersonChange) -> Result<PersonChanged> {
        self.write(Verb::ChangePerson, move |tx| verbs::people::change(tx, id, &change)).await
    }

    async fn remove_person(&self, id: PersonId, must_leave: Option<String>) -> Result<PersonChanged> {
        self.write(Verb::RemovePerson, move |tx| verbs::people::remove(tx, id, must_leave.as_deref())).await
    }

    async fn people(&self) -> Result<Vec<PersonRecord>> {
        self.read_for_people(Verb::ListPeople, all).await
    }

    async fn person(&self, name: &str) -> Result<Option<PersonRecord>> {
        let name = name.to_owned();
        self.read(Verb::ReadPerson, move |db| by_name(db, &name)).await
    }

    async fn login_failed(&self, id: PersonId, now: UnixMillis) -> Result<Option<PersonRecord>> {
        self.write(Verb::NoteFailedLogin, move |tx| verbs::people::login_failed(tx, id, now)).await
    }

    async fn log_in(&self, session: ConsoleSession, totp_step: Option<i64>) -> Result<bool> {
        self.write(Verb::LogIn, move |tx| verbs::people::log_in(tx, &session, totp_step)).await
    }

    async fn console_session(
        &self,
        hash: [u8; 32],
        now: UnixMillis,
    ) -> Result<Option<(ConsoleSession, PersonRecord)>> {
        self.read(Verb::ReadConsoleSession, move |db| session(db, hash, now)).await
    }

    async fn console_sessions(&self, person: PersonId, now: UnixMillis) -> Result<Vec<ConsoleSession>> {
        self.read_for_people(Verb::ListConsoleSessions, move |db| sessions(db, person, now)).await
    }

    async fn console_session_used(&self, hash: [u8; 32], now: UnixMillis) -> Result<()> {
        self.write(Verb::NoteConsoleSessionUse, move |tx| tx.console_session_used(hash, now)).await
    }

    async fn end_console_session(&self, hash: [u8; 32]) -> Result<bool> {
        self.write(Verb::EndConsoleSession, move |tx| tx.delete_console_session(hash)).await
    }

    async fn end_console_sessions(&self, person: PersonId) -> Result<u32> {
        self.write(Verb::EndConsoleSessions, move |tx| tx.delete_console_sessions(person, None)).await
    }

    async fn add_login_link(&self, link: LoginLink) -> Result<()> {
        self.write(Verb::AddLoginLink, move |tx| verbs::people::add_login_link(tx, &link)).await
    }

    async fn take_login_link(&self, hash: [u8; 32], now: UnixMillis) -> Result<Option<PersonRecord>> {
        self.write(Verb::TakeLoginLink, move |tx| verbs::people::take_login_link(tx, hash, now)).await
    }
}
