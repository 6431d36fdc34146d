//! Messages: the reads for people.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState, ReasonCode};
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::super::callers;
use super::super::cells::{Cells, many, merged, page};
use super::super::keys::apps_to_json;
use super::super::row_error::RowResult;
use super::super::user_entries::is_of_user;
use super::{body, columns, find, resolutions};
use crate::rows::{MessageRow, User};
use crate::types::{AttemptView, MAX_STORY, MessageDetail, MessageFilter, MessageView, Page};

/// The common part of every page; its parameters are those of `messages`. The first column says whether the row matches. The
/// condition after `WHERE` only says which index to walk.
macro_rules! page_of {
    ($($where:tt)+) => {
        concat!(
            "SELECT ((?12 IS NULL OR appid = ?12) AND (?2 IS NULL OR appid IN (SELECT value FROM json_each(?2))) \
             AND (?3 IS NULL OR openid = ?3) AND (?4 IS NULL OR (?4 >> state) & 1) \
             AND (?5 IS NULL OR template = ?5) AND (?6 IS NULL OR reference = ?6) AND (?7 IS NULL OR lane = ?7) AND (?8 IS NULL OR user_no = ?8) \
             AND (?10 IS NULL OR reason = ?10) AND (?11 IS NULL OR errcode = ?11)) IS TRUE, id, ",
            columns!(),
            " FROM messages ",
            $($where)+,
            " AND id < ?1 AND id >= ?9 ORDER BY id DESC"
        )
    };
}

/// Carries out [`crate::Store::messages`]. Of several apps, what is found by its keys is found app by app.
pub(in crate::sqlite) fn messages(
    db: &Connection,
    filter: &MessageFilter,
) -> RowResult<Page<MessageView, MessageId>> {
    match &filter.apps {
        Some(apps) if apps.len() != 1 && (filter.openid.is_some() || filter.reference.is_some()) => {
            let of_app =
                |app: &AppId| walk(db, &MessageFilter { apps: Some(vec![app.clone()]), ..filter.clone() });
            let pages = apps.iter().map(of_app).collect::<RowResult<_>>()?;
            Ok(merged(pages, filter.limit, |message| message.id))
        }
        _ => walk(db, filter),
    }
}

/// A page of all apps or of one, or of several without keys.
///
/// Four kinds of messages are found by their keys: those of a user, those with a reference, those that failed, and those of
/// unknown outcome. The user's entries are ordered by idempotency key, which is what `accept` needs. So the ids of all of
/// the user's messages are read and sorted, which is acceptable for one user. Other pages walk back from the newest message
/// and skip what does not match; they end after `look_at` messages, even if they have found little.
fn walk(db: &Connection, filter: &MessageFilter) -> RowResult<Page<MessageView, MessageId>> {
    const OF_USER: &str = page_of!("WHERE lane = ?7 AND ", is_of_user!("?7", "?8"));
    const BY_REFERENCE: &str = page_of!("WHERE appid = ?12 AND reference = ?6");
    const UNKNOWN: &str = page_of!("INDEXED BY messages_unknown WHERE state = 8");
    const FAILED: &str = page_of!("INDEXED BY messages_failed WHERE state = 7");
    const ALL: &str = page_of!("WHERE TRUE");
    let app = match filter.apps.as_deref() {
        Some([app]) => Some(app),
        _ => None,
    };
    let user = app.zip(filter.openid.as_ref()).map(|(app, openid)| User::of(app, openid));
    let sql = if user.is_some() {
        OF_USER
    } else if app.is_some() && filter.reference.is_some() {
        BY_REFERENCE
    } else {
        match filter.states.as_slice() {
            [MessageState::Unknown] => UNKNOWN,
            [MessageState::Failed] => FAILED,
            _ => ALL,
        }
    };
    // An id begins with the time of acceptance, so a span of time is a span of ids.
    let newest = MessageId::from_bytes([0xff; 16]);
    let before = filter.before.unwrap_or(newest).min(filter.until.map_or(newest, MessageId::first_at));
    let since = filter.since.map_or(MessageId::from_bytes([0; 16]), MessageId::first_at);
    // A set of states, as bits.
    let states = filter.states.iter().fold(0_i64, |bits, state| bits | 1 << state.code());
    page(
        db,
        sql,
        params![
            before.as_bytes(),
            if app.is_some() { None } else { apps_to_json(filter.apps.as_deref())? },
            filter.openid.as_ref().map(AsRef::<str>::as_ref),
            (states != 0).then_some(states),
            filter.template.as_ref().map(AsRef::<str>::as_ref),
            filter.reference,
            user.as_ref().map(|user| user.lane.number()),
            user.as_ref().map(User::key),
            since.as_bytes(),
            filter.reason.map(ReasonCode::name),
            filter.errcode.map(|errcode| errcode.0),
            app.map(AppId::as_str),
        ],
        (filter.limit, filter.look_at),
        |cells| {
            let (fits, id) = (cells.raw()?, cells.message_id()?);
            let row: Option<MessageRow> = if fits { Some(super::read(cells)?) } else { None };
            Ok((id, row.map(MessageRow::into_view)))
        },
    )
}

/// Carries out [`crate::Store::message_views`].
pub(in crate::sqlite) fn views(db: &Connection, ids: &[MessageId]) -> RowResult<Vec<Option<MessageView>>> {
    ids.iter().map(|id| Ok(find(db, *id)?.map(MessageRow::into_view))).collect()
}

/// Carries out [`crate::Store::message`].
pub(in crate::sqlite) fn message(db: &Connection, id: MessageId) -> RowResult<Option<MessageDetail>> {
    let Some(row) = find(db, id)? else { return Ok(None) };
    let (body, origin) = body(db, &row)?;
    let accepted_by = callers::of_message(db, &row)?;
    let mut attempts = many(
        db,
        "SELECT number, started_at, ended_at, permit_id, outcome, errcode, outcome_text FROM attempts \
         WHERE message_id = ? AND lane = ? ORDER BY number",
        params![id.as_bytes(), row.user.lane.number()],
        |cells: &mut Cells<'_>| {
            Ok(AttemptView {
                number: cells.raw()?,
                started_at: cells.moment()?,
                ended_at: cells.moment_or_none()?,
                permit: cells.permit_id_or_none()?,
                outcome: cells.outcome_or_none()?,
            })
        },
    )?;
    attempts.extend(row.last_attempt());
    let resolutions = resolutions(db, &row)?;
    Ok(Some(MessageDetail { message: row.into_view(), accepted_by, origin, body, attempts, resolutions }))
}

/// How many of a user's messages are looked at, to find those that a message replaced.
const MAX_OLDER: u32 = 1_000;

/// The messages that a message replaced, newest first, among the user's last messages before it.
pub(in crate::sqlite) fn replaced(
    db: &Connection,
    user: &User,
    by: &MessageView,
) -> RowResult<Vec<MessageId>> {
    if by.collapse_key.is_none() {
        return Ok(Vec::new());
    }
    // A batch is accepted in one millisecond.
    let behind = MessageId::first_at(UnixMillis(by.accepted_at.0.saturating_add(1)));
    many(
        db,
        "SELECT id FROM messages WHERE lane = ?1 AND id IN (SELECT id FROM user_entries WHERE lane = ?1 AND user_no = ?2 \
         AND entry >= 1 AND id < ?3 ORDER BY id DESC LIMIT ?5) AND replaced_by = ?4 ORDER BY id DESC LIMIT ?6",
        params![user.lane.number(), user.key(), behind.as_bytes(), by.id.as_bytes(), MAX_OLDER, MAX_STORY],
        |cells| cells.message_id(),
    )
}
