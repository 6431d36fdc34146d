//! Adding people, and what an admin changes about them.

use hongyan_clock::Clock;
use hongyan_ledger::PersonId;
use hongyan_ledger::ids::IdMaker;
use hongyan_store::types::{NewPassword, PersonChange, PersonRecord};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::AppId;
use secrecy::SecretString;

use super::Role;
use super::password::{self, TooMany};
use crate::vault::random_token;

/// The longest name.
const MAX_NAME_CHARS: usize = 64;

/// Why a person was not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The name is no name.
    #[error("a name has 1 to {MAX_NAME_CHARS} letters, digits, and . _ @ + -")]
    Name,
    /// There is a person with this name.
    #[error("there is a person with the name {0} already")]
    Taken(String),
    /// There is no person with this name or id.
    #[error("there is no person {0}")]
    Unknown(String),
    /// Nobody could undo it.
    #[error("{0} is the only admin left; make somebody else an admin first")]
    LastAdmin(String),
    /// Too many passwords are being hashed.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A name as it is kept: in lower case.
///
/// # Errors
/// When it is no name.
pub fn name_of(text: &str) -> Result<String, PeopleError> {
    let name = text.trim().to_lowercase();
    let is_plain = |char: char| char.is_alphanumeric() || "._@+-".contains(char);
    let is_name = (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && name.chars().all(is_plain);
    if is_name { Ok(name) } else { Err(PeopleError::Name) }
}

/// Adds a person; the password, which is good for one login: it must be changed then.
///
/// # Errors
/// When the name is no name or taken, or the store fails.
pub async fn add(
    store: &dyn Store,
    ids: &IdMaker,
    clock: &Clock,
    name: &str,
    role: Role,
    apps: Option<Vec<AppId>>,
) -> Result<(PersonRecord, SecretString), PeopleError> {
    let name = name_of(name)?;
    let password = random_token("");
    let now = clock.now();
    let record = PersonRecord {
        id: ids.person(now),
        name,
        role: role.name().to_owned(),
        apps,
        password: password::hash(password.clone()).await?,
        must_change_password: true,
        totp: None,
        totp_step: 0,
        failures: 0,
        failed_at: None,
        created_at: now,
        logged_in_at: None,
    };
    if store.add_person(record.clone()).await? {
        Ok((record, password))
    } else {
        Err(PeopleError::Taken(record.name))
    }
}

/// Gives a person another password, which must be changed at the next login. It ends the person's sessions and takes the
/// second factor away: it is for who has lost them.
///
/// # Errors
/// When there is no such person, or the store fails.
pub async fn reset_password(store: &dyn Store, id: PersonId) -> Result<SecretString, PeopleError> {
    let password = random_token("");
    let hash = password::hash(password.clone()).await?;
    let change = PersonChange {
        password: Some(NewPassword { hash, must_change: true, keep_session: None }),
        totp: Some(None),
        ..PersonChange::default()
    };
    let changed = store.change_person(id, change).await?;
    changed.map(|_| password).ok_or_else(|| PeopleError::Unknown(id.to_string()))
}

/// Changes what a person may do and see.
///
/// # Errors
/// When there is no such person, no admin would be left, or the store fails.
pub async fn change(
    store: &dyn Store,
    id: PersonId,
    role: Option<Role>,
    apps: Option<Option<Vec<AppId>>>,
) -> Result<PersonRecord, PeopleError> {
    if role.is_some_and(|role| role != Role::Admin) || apps.as_ref().is_some_and(Option::is_some) {
        must_leave_an_admin(store, id).await?;
    }
    let change =
        PersonChange { role: role.map(|role| role.name().to_owned()), apps, ..PersonChange::default() };
    store.change_person(id, change).await?.ok_or_else(|| PeopleError::Unknown(id.to_string()))
}

/// Removes a person, and ends the person's sessions.
///
/// # Errors
/// When there is no such person, no admin would be left, or the store fails.
pub async fn remove(store: &dyn Store, id: PersonId) -> Result<(), PeopleError> {
    must_leave_an_admin(store, id).await?;
    if store.remove_person(id).await? { Ok(()) } else { Err(PeopleError::Unknown(id.to_string())) }
}

/// Refuses to take away the last admin for all apps. Two who do it at once to each other can: the command line adds another.
async fn must_leave_an_admin(store: &dyn Store, id: PersonId) -> Result<(), PeopleError> {
    let people = store.people().await?;
    let is_admin = |person: &&PersonRecord| person.role == Role::Admin.name() && person.apps.is_none();
    let person =
        people.iter().find(|person| person.id == id).ok_or_else(|| PeopleError::Unknown(id.to_string()))?;
    if is_admin(&person) && people.iter().filter(is_admin).count() == 1 {
        return Err(PeopleError::LastAdmin(person.name.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_in_lower_case_and_has_nothing_strange_in_it() {
        assert_eq!(name_of(" LiHua@example.com ").unwrap(), "lihua@example.com");
        assert_eq!(name_of("李华").unwrap(), "李华");
        for bad in ["", " ", "a b", "<script>", "a/b", &"x".repeat(65)] {
            assert!(name_of(bad).is_err(), "{bad}");
        }
    }
}
