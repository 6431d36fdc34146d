//! Users: their session keys and the sessions that the mini program holds.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_wechat::{AppId, OpenId};
use rusqlite::{Connection, params};

use super::cells::{Cells, change, one};
use super::trouble::Res;
use crate::rows::User;
use crate::types::{LoginRecord, Sealed, SessionRecord};

/// How many sessions a user may have: one for each place where the mini program runs, and some to spare.
const MAX_SESSIONS_OF_USER: u32 = 10;

/// Carries out [`crate::Store::put_login`]. A second `wx.login` replaces the session_key while the first may still
/// be in use, so the last two are kept. Each login takes out the lane's expired
/// sessions, and the user's oldest where there are too many.
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
    change(
        db,
        "DELETE FROM sessions WHERE lane = ?1 AND hash IN (SELECT hash FROM sessions INDEXED BY sessions_of_user \
         WHERE lane = ?1 AND appid = ?2 AND openid = ?3 AND hash <> ?4 ORDER BY expires_at DESC LIMIT -1 OFFSET ?5)",
        params![
            lane,
            login.appid.as_str(),
            login.openid.as_str(),
            login.session_hash,
            MAX_SESSIONS_OF_USER - 1
        ],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::end_sessions`]. A user's are in one lane, an app's in all.
pub(super) fn end_sessions(db: &Connection, appid: &AppId, openid: Option<&OpenId>, limit: u32) -> Res<u32> {
    let lanes = openid.map_or_else(|| Lane::all().collect(), |openid| vec![Lane::of(appid, openid)]);
    let mut ended = 0;
    for lane in lanes {
        ended += change(
            db,
            "DELETE FROM sessions WHERE lane = ?1 AND hash IN (SELECT hash FROM sessions INDEXED BY sessions_of_user \
             WHERE lane = ?1 AND appid = ?2 AND (?3 IS NULL OR openid = ?3) LIMIT ?4)",
            params![lane.number(), appid.as_str(), openid.map(OpenId::as_str), limit - ended],
        )? as u32;
    }
    Ok(ended)
}

/// Carries out [`crate::Store::forget_users`].
pub(super) fn forget(db: &Connection, appid: &AppId, limit: u32) -> Res<u32> {
    let mut forgotten = 0;
    for lane in Lane::all() {
        forgotten += change(
            db,
            "DELETE FROM users WHERE lane = ?1 AND appid = ?2 AND openid IN \
             (SELECT openid FROM users WHERE lane = ?1 AND appid = ?2 LIMIT ?3)",
            params![lane.number(), appid.as_str(), limit - forgotten],
        )? as u32;
    }
    Ok(forgotten)
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
