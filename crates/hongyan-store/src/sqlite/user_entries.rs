//! The tree of user entries: a user's permits, and an entry for each of the user's messages.
//!
//! `permits.rs` reads and writes the rows of permits. The entry of a message has what an index row would have. SQLite does
//! not maintain it, so [`insert`] and [`delete`] must accompany the two statements that insert and delete a message.

use hongyan_ledger::MessageId;
use rusqlite::{Connection, params};

use super::cells::change;
use super::row_error::RowResult;
use crate::rows::MessageRow;
use crate::types::Idempotency;

/// A condition: the message belongs to this user.
macro_rules! is_of_user {
    ($lane:literal, $user_no:literal) => {
        concat!(
            "id IN (SELECT id FROM user_entries WHERE lane = ",
            $lane,
            " AND user_no = ",
            $user_no,
            " AND entry >= 1)"
        )
    };
}
pub(super) use is_of_user;

/// The users of a lane (`users.number`), from the user that `$first` names on.
///
/// A walk over the permits of a lane must not read the entries of messages that lie between them, because those grow with
/// history. So it goes from user to user, with a look-up for each.
macro_rules! users_of_lane {
    ($lane:literal, $first:literal) => {
        concat!(
            "WITH RECURSIVE users (number) AS (SELECT ",
            $first,
            " UNION ALL SELECT (SELECT user_no FROM user_entries WHERE lane = ",
            $lane,
            " AND user_no > users.number ORDER BY user_no LIMIT 1) FROM users WHERE users.number IS NOT NULL) "
        )
    };
}
pub(super) use users_of_lane;

/// A lane's permits after a place, which is a user's number and a permit's id, in this order. The parameters are the lane,
/// these two values, and the most rows.
macro_rules! permits_behind {
    ($columns:literal) => {
        concat!(
            crate::sqlite::user_entries::users_of_lane!("?1", "?2"),
            "SELECT ",
            $columns,
            " FROM users CROSS JOIN user_entries WHERE lane = ?1 AND user_no = users.number AND entry = 0 \
             AND (users.number > ?2 OR id > ?3) LIMIT ?4"
        )
    };
}
pub(super) use permits_behind;

/// A new message's entry.
pub(super) fn insert(db: &Connection, row: &MessageRow, key: Option<&Idempotency>) -> RowResult<()> {
    change(
        db,
        "INSERT INTO user_entries (lane, user_no, entry, id) VALUES (?, ?, COALESCE(?, 1), ?)",
        params![row.user.lane.number(), row.user.key(), key.map(|key| &key.key_hash[..]), row.id.as_bytes()],
    )?;
    Ok(())
}

/// Removes a message's entry, while the message is still there.
pub(super) fn delete(db: &Connection, id: MessageId) -> RowResult<()> {
    change(
        db,
        "DELETE FROM user_entries WHERE lane = ?1 AND id = ?2 \
         AND user_no = (SELECT user_no FROM messages WHERE lane = ?1 AND id = ?2) \
         AND entry = (SELECT COALESCE(key_hash, 1) FROM messages WHERE lane = ?1 AND id = ?2)",
        params![id.lane().map(hongyan_ledger::Lane::number), id.as_bytes()],
    )?;
    Ok(())
}
