//! The callers that messages are accepted from.

use hongyan_ledger::{KeyId, PersonId};
use rusqlite::{Connection, params};

use super::cells::{Cells, one};
use super::row_error::{RowError, RowResult};
use crate::rows::MessageRow;
use crate::types::{Actor, ActorKind, CallerId, CallerNumber};

/// Carries out [`crate::Store::caller`] for a caller that is stored.
pub(super) fn number(db: &Connection, caller: CallerId) -> RowResult<Option<CallerNumber>> {
    one(
        db,
        "SELECT number FROM callers WHERE kind = ? AND id = ?",
        params![caller.kind().code(), caller.bytes()],
        |cells: &mut Cells<'_>| cells.raw().map(CallerNumber),
    )
}

/// Writes a caller that is not stored, with its present name.
pub(super) fn insert(db: &Connection, caller: CallerId) -> RowResult<CallerNumber> {
    let written = one(
        db,
        "INSERT INTO callers (kind, id, name) VALUES (?1, ?2, CASE ?1 \
         WHEN 0 THEN (SELECT name FROM api_keys WHERE id = ?2) ELSE (SELECT name FROM people WHERE id = ?2) END) \
         RETURNING number",
        params![caller.kind().code(), caller.bytes()],
        |cells: &mut Cells<'_>| cells.raw().map(CallerNumber),
    )?;
    written.ok_or_else(|| RowError::corrupt("a new caller has no number"))
}

/// From whom a message was accepted. The column lies behind the body, so that only who asks for it reads it.
pub(super) fn of_message(db: &Connection, row: &MessageRow) -> RowResult<Option<Actor>> {
    one(
        db,
        "SELECT kind, id, name FROM callers \
         WHERE number = (SELECT accepted_by FROM messages WHERE lane = ? AND id = ?)",
        params![row.user.lane.number(), row.id.as_bytes()],
        |cells: &mut Cells<'_>| {
            let kind = cells.coded(ActorKind::from_code)?;
            let id: [u8; 16] = cells.raw()?;
            let id = match kind {
                ActorKind::Person => PersonId::from_bytes(id).to_string(),
                _ => KeyId::from_bytes(id).to_string(),
            };
            Ok(Actor { kind, id: Some(id), name: cells.raw()? })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_in_the_statement_is_the_code_of_keys() {
        assert_eq!((ActorKind::Key.code(), ActorKind::Person.code()), (0, 3));
    }
}
