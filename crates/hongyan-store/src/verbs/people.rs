//! People and their sessions: the verbs.

use hongyan_clock::UnixMillis;
use hongyan_ledger::PersonId;

use crate::row_error::RowResult;
use crate::rows::Rows;
use crate::types::{ConsoleSession, LoginLink, PersonChange, PersonChanged, PersonRecord};

/// Carries out [`crate::Store::add_person`].
pub(crate) fn add(rows: &impl Rows, person: &PersonRecord) -> RowResult<bool> {
    if rows.person_by_name(&person.name)?.is_some() {
        return Ok(false);
    }
    rows.insert_person(person)?;
    Ok(true)
}

/// Carries out [`crate::Store::change_person`].
pub(crate) fn change(rows: &impl Rows, id: PersonId, change: &PersonChange) -> RowResult<PersonChanged> {
    let Some(mut person) = rows.person_by_id(id)? else { return Ok(PersonChanged::Unknown) };
    let before = person.clone();
    if let Some(role) = &change.role {
        person.role.clone_from(role);
    }
    if let Some(apps) = &change.apps {
        person.apps.clone_from(apps);
    }
    if let Some(role) = &change.must_leave
        && !is_for_all(&person, role)
        && is_last(rows, &before, role)?
    {
        return Ok(PersonChanged::IsLast(Box::new(before)));
    }
    if let Some(totp) = &change.totp {
        person.totp = totp.as_ref().map(|totp| totp.sealed.clone());
        person.totp_step = totp.as_ref().map_or(0, |totp| totp.step);
    }
    if let Some(password) = &change.password {
        person.password.clone_from(&password.hash);
        person.must_change_password = password.must_change;
        (person.failures, person.failed_at) = (0, None);
        // Whoever knew the password before is logged out.
        rows.delete_console_sessions(id, password.keep_session)?;
        rows.delete_login_links(id)?;
    }
    rows.update_person(&person)?;
    Ok(PersonChanged::Done(Box::new(person)))
}

/// Carries out [`crate::Store::remove_person`].
pub(crate) fn remove(rows: &impl Rows, id: PersonId, must_leave: Option<&str>) -> RowResult<PersonChanged> {
    let Some(person) = rows.person_by_id(id)? else { return Ok(PersonChanged::Unknown) };
    if let Some(role) = must_leave
        && is_last(rows, &person, role)?
    {
        return Ok(PersonChanged::IsLast(Box::new(person)));
    }
    rows.delete_console_sessions(id, None)?;
    rows.delete_login_links(id)?;
    rows.delete_person(id)?;
    Ok(PersonChanged::Done(Box::new(person)))
}

/// Whether a person has this role for all apps.
fn is_for_all(person: &PersonRecord, role: &str) -> bool {
    person.role == role && person.apps.is_none()
}

/// Whether a person has this role for all apps, and nobody else has it.
fn is_last(rows: &impl Rows, person: &PersonRecord, role: &str) -> RowResult<bool> {
    let has_it = |other: &PersonRecord| is_for_all(other, role);
    Ok(has_it(person) && !rows.people()?.iter().any(|other| other.id != person.id && has_it(other)))
}

/// Carries out [`crate::Store::login_failed`].
pub(crate) fn login_failed(
    rows: &impl Rows,
    id: PersonId,
    now: UnixMillis,
) -> RowResult<Option<PersonRecord>> {
    let Some(mut person) = rows.person_by_id(id)? else { return Ok(None) };
    person.failures = person.failures.saturating_add(1);
    person.failed_at = Some(now);
    rows.update_person(&person)?;
    Ok(Some(person))
}

/// Carries out [`crate::Store::log_in`]. A code of the second factor is used up by the login that it was good for.
pub(crate) fn log_in(rows: &impl Rows, session: &ConsoleSession, totp_step: Option<i64>) -> RowResult<bool> {
    let Some(mut person) = rows.person_by_id(session.person)? else { return Ok(false) };
    if let Some(step) = totp_step {
        if step <= person.totp_step {
            return Ok(false);
        }
        person.totp_step = step;
    }
    (person.failures, person.failed_at) = (0, None);
    person.logged_in_at = Some(session.created_at);
    rows.update_person(&person)?;
    rows.delete_expired_console_sessions(session.created_at)?;
    rows.insert_console_session(session)?;
    Ok(true)
}

/// Carries out [`crate::Store::add_login_link`].
pub(crate) fn add_login_link(rows: &impl Rows, link: &LoginLink) -> RowResult<()> {
    rows.insert_login_link(link)
}

/// Carries out [`crate::Store::take_login_link`]. A link that is too old is used up, too.
pub(crate) fn take_login_link(
    rows: &impl Rows,
    hash: [u8; 32],
    now: UnixMillis,
) -> RowResult<Option<PersonRecord>> {
    match rows.take_login_link(hash)? {
        Some(link) if now < link.expires_at => rows.person_by_id(link.person),
        _ => Ok(None),
    }
}
