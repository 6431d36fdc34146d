//! Users: their session keys and the sessions that the mini program holds.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use rusqlite::{Connection, params};

use super::messages::User;
use super::rows::{Cells, change, one};
use super::trouble::Res;
use crate::types::{LoginRecord, Sealed, SessionRecord};

/// Carries out [`crate::Store::put_login`]. A second `wx.login` replaces the session_key while the first may still
/// be in use, so the last two are kept. Each login takes out the lane's expired sessions.
pub(super) fn put_login(db: &Connection, login: &LoginRecord) -> Res<()> {
    let lane = Lane::of(&login.appid, &login.openid).number();
    change(
        db,
        "INSERT INTO users (lane, appid, openid, unionid, session_key, logged_in_at) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (lane, appid, openid) DO UPDATE SET \
         unionid = COALESCE(excluded.unionid, unionid), previous_session_key = session_key, \
         session_key = excluded.session_key, logged_in_at = excluded.logged_in_at",
        params![
            lane,
            login.appid.as_str(),
            login.openid.as_str(),
            login.unionid,
            login.session_key,
            login.at.0
        ],
    )?;
    change(db, "DELETE FROM sessions WHERE lane = ? AND expires_at <= ?", params![lane, login.at.0])?;
    change(
        db,
        "INSERT OR REPLACE INTO sessions (lane, hash, appid, openid, expires_at) VALUES (?, ?, ?, ?, ?)",
        params![lane, login.session_hash, login.appid.as_str(), login.openid.as_str(), login.expires_at.0],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::session`].
pub(super) fn session(
    db: &Connection,
    lane: Lane,
    hash: [u8; 32],
    now: UnixMillis,
) -> Res<Option<SessionRecord>> {
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
pub(super) fn session_keys(db: &Connection, user: &User) -> Res<Vec<Sealed>> {
    let keys = one(
        db,
        "SELECT session_key, previous_session_key FROM users WHERE lane = ? AND appid = ? AND openid = ?",
        params![user.lane.number(), user.appid.as_str(), user.openid.as_str()],
        |cells: &mut Cells<'_>| Ok((cells.raw::<Sealed>()?, cells.raw::<Option<Sealed>>()?)),
    )?;
    Ok(keys.into_iter().flat_map(|(last, previous)| std::iter::once(last).chain(previous)).collect())
}
