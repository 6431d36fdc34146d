//! Users' session keys and the sessions of mini programs, in SQLite.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use rusqlite::{Connection, params};

use super::cells::{Cells, one};
use super::row_error::RowResult;
use crate::rows::User;
use crate::types::{Sealed, SessionRecord};

/// Carries out [`crate::Store::session`].
pub(super) fn session(
    db: &Connection,
    lane: Lane,
    hash: [u8; 32],
    now: UnixMillis,
) -> RowResult<Option<SessionRecord>> {
    one(
        db,
        "SELECT appid, openid, expires_at FROM sessions WHERE lane = ? AND hash = ? AND expires_at > ?",
        params![lane.number(), hash, now.0],
        |cells: &mut Cells<'_>| {
            Ok(SessionRecord { appid: cells.parsed()?, openid: cells.parsed()?, expires_at: cells.moment()? })
        },
    )
}

/// Carries out [`crate::Store::session_keys`].
pub(super) fn session_keys(db: &Connection, user: &User) -> RowResult<Vec<Sealed>> {
    let keys = one(
        db,
        "SELECT session_key, previous_session_key FROM users WHERE lane = ? AND appid = ? AND openid = ?",
        params![user.lane.number(), user.appid.as_str(), user.openid.as_str()],
        |cells: &mut Cells<'_>| Ok((cells.raw::<Sealed>()?, cells.raw::<Option<Sealed>>()?)),
    )?;
    Ok(keys.into_iter().flat_map(|(last, previous)| std::iter::once(last).chain(previous)).collect())
}
