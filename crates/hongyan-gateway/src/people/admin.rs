//! Adding people, and what an admin changes about them.

use hongyan_clock::Clock;
use hongyan_ledger::PersonId;
use hongyan_ledger::ids::IdMaker;
use hongyan_store::types::{NewPassword, PersonChange, PersonChanged, PersonRecord};
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

/// A person to add.
#[derive(Debug, Clone)]
pub struct NewPerson<'a> {
    /// The name.
    pub name: &'a str,
    /// What the person may do.
    pub role: Role,
    /// The apps that the person may see; `None`: all.
    pub apps: Option<Vec<AppId>>,
    /// The password is good for one login: the person must choose another one then. Set this unless nobody sees the password.
    pub must_change_password: bool,
}

/// Adds a person, with a new password.
///
/// # Errors
/// When the name is no name or taken, or the store fails.
pub async fn add(
    store: &dyn Store,
    ids: &IdMaker,
    clock: &Clock,
    new: NewPerson<'_>,
) -> Result<(PersonRecord, SecretString), PeopleError> {
    let name = name_of(new.name)?;
    let password = random_token("");
    let now = clock.now();
    let record = PersonRecord {
        id: ids.person(now),
        name,
        role: new.role.name().to_owned(),
        apps: new.apps,
        password: password::hash(password.clone()).await?,
        must_change_password: new.must_change_password,
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
    changed(id, store.change_person(id, change).await?).map(|_| password)
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
    let change = PersonChange {
        role: role.map(|role| role.name().to_owned()),
        apps,
        must_leave: Some(Role::Admin.name().to_owned()),
        ..PersonChange::default()
    };
    changed(id, store.change_person(id, change).await?)
}

/// Removes a person, and ends the person's sessions.
///
/// # Errors
/// When there is no such person, no admin would be left, or the store fails.
pub async fn remove(store: &dyn Store, id: PersonId) -> Result<(), PeopleError> {
    let must_leave = Some(Role::Admin.name().to_owned());
    changed(id, store.remove_person(id, must_leave).await?).map(|_| ())
}

fn changed(id: PersonId, changed: PersonChanged) -> Result<PersonRecord, PeopleError> {
    match changed {
        PersonChanged::Done(person) => Ok(*person),
        PersonChanged::Unknown => Err(PeopleError::Unknown(id.to_string())),
        PersonChanged::IsLast(person) => Err(PeopleError::LastAdmin(person.name)),
    }
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
