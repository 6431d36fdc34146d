//! How things stand: open messages, and what can be reached until when.

use std::collections::BTreeMap;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageId, MessageState, PermitKind};
use hongyan_wechat::{AppId, TemplateId};
use rusqlite::{Connection, params};

use super::cells::{Cells, each, one, parsed};
use super::row_error::RowResult;
use super::user_entries::users_of_lane;
use crate::types::{
    EXPIRY_DAYS, MAX_OPEN_COUNTED, MAX_PERMITS_COUNTED, OpenMessages, PermitsOfKind, Reach, ReachPart,
    ReachParts, UsablePermits,
};

/// Counts messages by app, at most so many.
macro_rules! open {
    ($from:literal) => {
        concat!(
            "SELECT appid, COUNT(*), MIN(send_at) FROM (SELECT appid, send_at FROM messages ",
            $from,
            " LIMIT ?2) GROUP BY appid"
        )
    };
}

/// Ready messages, at most so many, the first message of each user before the user's others.
const READY: &str = "SELECT appid, user_no, send_at, id FROM messages INDEXED BY messages_queued \
    WHERE lane = ?1 AND state = 1 AND state IN (1, 2) ORDER BY appid, user_no, send_at, id LIMIT ?2";

/// The open states, each with the statement that finds its messages by an index that holds no others, or few.
const OPEN: [(MessageState, &str); 5] = [
    (
        MessageState::Scheduled,
        open!("INDEXED BY messages_due WHERE lane = ?1 AND wake_at IS NOT NULL AND state = 0"),
    ),
    (MessageState::Ready, READY),
    (
        MessageState::Waiting,
        open!("INDEXED BY messages_queued WHERE lane = ?1 AND state = 2 AND state IN (1, 2)"),
    ),
    (MessageState::Sending, open!("INDEXED BY messages_sending WHERE lane = ?1 AND state = 3")),
    (MessageState::Unknown, open!("INDEXED BY messages_unknown WHERE state = 8 AND lane = ?1")),
];

/// How many messages an app has in a state, and when the oldest of them is due.
type OfState = BTreeMap<AppId, (u64, UnixMillis)>;

/// Carries out [`crate::Reads::open_messages`].
pub(super) fn open_messages(db: &Connection) -> RowResult<Vec<OpenMessages>> {
    let mut found = Vec::new();
    for (state, sql) in OPEN {
        let mut of_state = OfState::new();
        let mut left = MAX_OPEN_COUNTED;
        for lane in Lane::all() {
            let added = match state {
                MessageState::Ready => add_ready(db, sql, lane, left, &mut of_state)?,
                _ => add_counts(db, sql, lane, left, &mut of_state)?,
            };
            left = left.saturating_sub(u32::try_from(added).unwrap_or(u32::MAX));
            if left == 0 {
                break;
            }
        }
        let is_cut = left == 0;
        found.extend(of_state.into_iter().map(|(appid, (count, oldest_due_at))| OpenMessages {
            appid,
            state,
            count,
            oldest_due_at,
            is_cut,
        }));
    }
    Ok(found)
}

/// Adds what a statement counts in a lane; how many messages these are.
fn add_counts(db: &Connection, sql: &str, lane: Lane, limit: u32, sums: &mut OfState) -> RowResult<u64> {
    let mut added = 0;
    each(db, sql, params![lane.number(), limit], |cells: &mut Cells<'_>| {
        let (appid, count, oldest) = (cells.parsed::<AppId>()?, cells.count()?, cells.moment()?);
        let sum = sums.entry(appid).or_insert((0, oldest));
        *sum = (sum.0 + count, sum.1.min(oldest));
        added += count;
        Ok(())
    })?;
    Ok(added)
}

/// Adds the ready messages of a lane, which a statement finds; how many there are.
///
/// Only the first message of a user can go out, because the user's other messages wait behind it. If it is to be tried again
/// later, it is due then. The index does not know that, so the message's row is read; but only if the message would be the
/// oldest of its app so far. So of thousands of messages some rows are read, unless all of them are to be tried again.
fn add_ready(db: &Connection, sql: &str, lane: Lane, limit: u32, sums: &mut OfState) -> RowResult<u64> {
    let mut added = 0;
    let (mut app, mut user) = (String::new(), None);
    each(db, sql, params![lane.number(), limit], |cells: &mut Cells<'_>| {
        let (appid, number, send_at) = (cells.text()?, cells.raw::<i64>()?, cells.moment()?);
        let is_first = app != appid || user != Some(number);
        if app != appid {
            appid.clone_into(&mut app);
        }
        user = Some(number);
        let sum = match sums.get_mut(appid) {
            Some(sum) => sum,
            None => sums.entry(parsed(appid)?).or_insert((0, UnixMillis(i64::MAX))),
        };
        if is_first && send_at < sum.1 {
            let again_at = again_at(db, lane, cells.message_id()?)?;
            sum.1 = sum.1.min(again_at.map_or(send_at, |again_at| again_at.max(send_at)));
        }
        sum.0 += 1;
        added += 1;
        Ok(())
    })?;
    Ok(added)
}

/// When a ready message is tried again: it has a timer and is not parked (see `MessageRow::is_parked`).
fn again_at(db: &Connection, lane: Lane, id: MessageId) -> RowResult<Option<UnixMillis>> {
    let sql = "SELECT wake_at FROM messages WHERE lane = ?1 AND id = ?2 AND wake_at IS NOT deadline";
    let wake_at = one(db, sql, params![lane.number(), id.as_bytes()], |cells| cells.moment_or_none())?;
    Ok(wake_at.flatten())
}

/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

/// Carries out [`crate::Reads::usable_permits`]: a walk over the permits of all apps, which ends after so many. The rows are added
/// up here: a statement that groups them sorts them first, and the memory for that stays with the thread.
pub(super) fn usable_permits(db: &Connection, now: UnixMillis) -> RowResult<UsablePermits> {
    let tomorrow = now.plus(Duration::from_millis(DAY.unsigned_abs()));
    let mut kinds = BTreeMap::<(AppId, u8), PermitsOfKind>::new();
    let mut left = MAX_PERMITS_COUNTED;
    for lane in Lane::all() {
        let limit = left;
        // A user without a permit counts as one row, so that the walk ends however few users have permits. The kind of that
        // row is NULL. The walk's first and last rows are no users.
        each(
            db,
            concat!(
                users_of_lane!("?1", "?3"),
                "SELECT appid, kind, unlimited, expires_at <= ?4, \
                 CASE WHEN expires_at <= ?2 THEN 0 WHEN unlimited THEN 1 \
                 ELSE granted - spent - revoked - held END \
                 FROM users LEFT JOIN user_entries ON lane = ?1 AND user_no = users.number AND entry = 0 LIMIT ?5"
            ),
            params![lane.number(), now.0, i64::MIN, tomorrow.0, limit],
            |cells: &mut Cells<'_>| {
                left = left.saturating_sub(1);
                let Some(appid) = cells.parsed_or_none::<AppId>()? else { return Ok(()) };
                let Some(kind) = cells.coded_or_none(PermitKind::from_code)? else { return Ok(()) };
                let (unlimited, expires, units): (bool, bool, i64) =
                    (cells.raw()?, cells.raw()?, cells.raw()?);
                let Some(units) = u64::try_from(units).ok().filter(|units| *units > 0) else { return Ok(()) };
                let none = PermitsOfKind { appid: appid.clone(), kind, units: 0, unlimited: 0, expiring: 0 };
                let sum = kinds.entry((appid, kind.code())).or_insert(none);
                if unlimited {
                    sum.unlimited += 1;
                } else {
                    sum.units += units;
                    sum.expiring += if expires { units } else { 0 };
                }
                Ok(())
            },
        )?;
        if left == 0 {
            break;
        }
    }
    Ok(UsablePermits { kinds: kinds.into_values().collect(), is_cut: left == 0 })
}

/// Carries out [`crate::Reads::reach_parts`]: as `reach`, a walk over all of the app's permits, lane by lane. A statement that
/// groups the rows takes three times as long.
pub(super) fn reach_parts(db: &Connection, appid: &AppId, now: UnixMillis) -> RowResult<ReachParts> {
    let mut totals = Reach::default();
    let mut parts = BTreeMap::<(u8, Option<String>), ReachPart>::new();
    for lane in Lane::all() {
        // The permits of a user come one after the other: a user is counted once a kind and template.
        let mut user = None;
        let mut counted = Vec::<(u8, Option<String>)>::new();
        each(
            db,
            concat!(
                users_of_lane!("?1", "?4"),
                "SELECT user_no, kind, template, MIN((expires_at - ?3 - 1) / ?5, ?6), \
                 CASE WHEN unlimited THEN 0 ELSE granted - spent - revoked - held END, unlimited \
                 FROM users CROSS JOIN user_entries WHERE lane = ?1 AND user_no = users.number AND entry = 0 \
                 AND appid = ?2 AND expires_at > ?3 AND (granted > spent + revoked + held OR unlimited)"
            ),
            params![lane.number(), appid.as_str(), now.0, i64::MIN, DAY, EXPIRY_DAYS as i64],
            |cells: &mut Cells<'_>| {
                let number = Some(cells.raw::<i64>()?);
                if user != number {
                    user = number;
                    counted.clear();
                    totals.users += 1;
                }
                let kind = cells.coded(PermitKind::from_code)?;
                let key = (kind.code(), cells.raw::<Option<String>>()?);
                let (day, units, unlimited) = (cells.count()?, cells.count()?, cells.count()?);
                let part = match parts.get_mut(&key) {
                    Some(part) => part,
                    None => {
                        let template = key.1.as_deref().map(parsed::<TemplateId>).transpose()?;
                        parts.entry(key.clone()).or_insert(ReachPart {
                            kind,
                            template,
                            users: 0,
                            units: 0,
                            unlimited: 0,
                            expiring: [0; EXPIRY_DAYS],
                        })
                    }
                };
                part.units += units;
                part.unlimited += unlimited;
                totals.units += units;
                totals.unlimited += unlimited;
                if let Some(expiring) = part.expiring.get_mut(day as usize) {
                    *expiring += units;
                }
                if !counted.contains(&key) {
                    part.users += 1;
                    counted.push(key);
                }
                Ok(())
            },
        )?;
    }
    Ok(ReachParts { totals, parts: parts.into_values().collect() })
}
