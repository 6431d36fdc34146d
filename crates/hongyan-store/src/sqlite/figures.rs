//! How things stand: open messages, and what can be reached until when.

use std::collections::BTreeMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageState, PermitKind};
use hongyan_wechat::{AppId, TemplateId};
use rusqlite::{Connection, params};

use super::cells::{Cells, many};
use super::row_error::RowResult;
use super::user_entries::users_of_lane;
use crate::types::{EXPIRY_DAYS, MAX_OPEN_COUNTED, OpenMessages, ReachPart};

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

/// The open states, each with the statement that finds its messages by an index that holds no others, or few.
const OPEN: [(MessageState, &str); 5] = [
    (
        MessageState::Scheduled,
        open!("INDEXED BY messages_due WHERE lane = ?1 AND wake_at IS NOT NULL AND state = 0"),
    ),
    (
        MessageState::Ready,
        open!("INDEXED BY messages_queued WHERE lane = ?1 AND state = 1 AND state IN (1, 2)"),
    ),
    (
        MessageState::Waiting,
        open!("INDEXED BY messages_queued WHERE lane = ?1 AND state = 2 AND state IN (1, 2)"),
    ),
    (MessageState::Sending, open!("INDEXED BY messages_sending WHERE lane = ?1 AND state = 3")),
    (MessageState::Unknown, open!("INDEXED BY messages_unknown WHERE state = 8 AND lane = ?1")),
];

/// Carries out [`crate::Reads::open_messages`].
pub(super) fn open_messages(db: &Connection) -> RowResult<Vec<OpenMessages>> {
    let mut found = Vec::new();
    for (state, sql) in OPEN {
        let mut of_state = BTreeMap::<AppId, (u64, UnixMillis)>::new();
        let mut left = MAX_OPEN_COUNTED;
        for lane in Lane::all() {
            let of_lane = many(db, sql, params![lane.number(), left], |cells: &mut Cells<'_>| {
                Ok((cells.parsed::<AppId>()?, cells.count()?, cells.moment()?))
            })?;
            for (appid, count, oldest) in of_lane {
                left = left.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
                let sum = of_state.entry(appid).or_insert((0, oldest));
                *sum = (sum.0 + count, sum.1.min(oldest));
            }
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

/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

/// Carries out [`crate::Reads::reach_parts`]: as `reach`, a walk over all of the app's permits, lane by lane.
pub(super) fn reach_parts(db: &Connection, appid: &AppId, now: UnixMillis) -> RowResult<Vec<ReachPart>> {
    let mut parts = BTreeMap::<(u8, Option<String>), ReachPart>::new();
    for lane in Lane::all() {
        // A row for each user, kind, template and day of expiry: a user is counted once a kind and template.
        let rows = many(
            db,
            concat!(
                users_of_lane!("?1", "?4"),
                "SELECT kind, template, day, SUM(is_first), SUM(units), SUM(unlimited) FROM (\
                 SELECT ROW_NUMBER() OVER (PARTITION BY user_no, kind, template) = 1 AS is_first, kind, template, MIN((expires_at - ?3 - 1) / ?5, ?6) AS day, \
                 CASE WHEN unlimited THEN 0 ELSE granted - spent - revoked - held END AS units, unlimited \
                 FROM users CROSS JOIN user_entries WHERE lane = ?1 AND user_no = users.number AND entry = 0 \
                 AND appid = ?2 AND expires_at > ?3 AND (granted > spent + revoked + held OR unlimited)) \
                 GROUP BY kind, template, day"
            ),
            params![lane.number(), appid.as_str(), now.0, i64::MIN, DAY, EXPIRY_DAYS as i64],
            |cells: &mut Cells<'_>| {
                Ok((
                    cells.coded(PermitKind::from_code)?,
                    cells.parsed_or_none::<TemplateId>()?,
                    cells.count()?,
                    cells.count()?,
                    cells.count()?,
                    cells.count()?,
                ))
            },
        )?;
        for (kind, template, day, users, units, unlimited) in rows {
            let key = (kind.code(), template.as_ref().map(|template| template.as_str().to_owned()));
            let part = parts.entry(key).or_insert_with(|| ReachPart {
                kind,
                template,
                users: 0,
                units: 0,
                unlimited: 0,
                expiring: [0; EXPIRY_DAYS],
            });
            part.users += users;
            part.units += units;
            part.unlimited += unlimited;
            if let Some(expiring) = part.expiring.get_mut(day as usize) {
                *expiring += units;
            }
        }
    }
    Ok(parts.into_values().collect())
}
