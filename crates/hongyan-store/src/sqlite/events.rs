//! Events that WeChat pushed, as they lie in SQLite.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::explain::{PermitChange, Trace};
use hongyan_ledger::{EventId, Lane, MessageId};
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many, merged, one, page};
use super::keys::apps_to_json;
use super::memory::Transaction;
use super::row_error::{RowError, RowResult};
use crate::rows::events::Nonce;
use crate::rows::{EventRows, User};
use crate::types::{
    AddressCheck, CallbackStatus, Effect, EventFilter, EventState, EventView, MAX_STORY, MessageView,
    NewEvent, OpenEvents, Page,
};

/// The columns of an event, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "id, appid, openid, name, create_time, received_at, state, tries, worked_at, effects, body"
    };
}

fn read(cells: &mut Cells<'_>) -> RowResult<EventView> {
    let id = cells.event_id()?;
    Ok(EventView {
        id,
        appid: cells.parsed()?,
        openid: cells.parsed_or_none()?,
        name: cells.raw()?,
        create_time: cells.raw()?,
        received_at: cells.moment()?,
        state: cells.coded(EventState::from_code)?,
        tries: cells.raw()?,
        worked_at: cells.moment_or_none()?,
        effects: effects(&cells.raw::<String>()?)?,
        body: cells.raw()?,
    })
}

impl EventRows for Transaction<'_> {
    fn digest_under_nonce(&self, nonce: &Nonce) -> RowResult<Option<[u8; 32]>> {
        one(
            self,
            "SELECT digest FROM event_nonces WHERE lane = ? AND hash = ?",
            params![nonce.lane, nonce.hash],
            |cells| cells.raw(),
        )
    }

    fn insert_nonce(&self, nonce: &Nonce, digest: [u8; 32], expires_at: UnixMillis) -> RowResult<()> {
        change(
            self,
            "INSERT INTO event_nonces (lane, hash, digest, expires_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            params![nonce.lane, nonce.hash, digest, expires_at.0],
        )?;
        Ok(())
    }

    fn event_with_digest(&self, lane: Lane, number: u64, digest: [u8; 32]) -> RowResult<Option<EventId>> {
        one(
            self,
            "SELECT id FROM events WHERE lane = ? AND user_no = ? AND digest = ?",
            params![lane.number(), number.cast_signed(), digest],
            |cells| cells.event_id(),
        )
    }

    fn insert_event(&self, event: &NewEvent, lane: Lane, number: u64) -> RowResult<()> {
        change(
            self,
            "INSERT INTO events (id, lane, user_no, appid, openid, name, digest, create_time, received_at, state, wake_at, \
             tries, effects, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?9, 0, '[]', ?11)",
            params![
                event.id.as_bytes(),
                lane.number(),
                number.cast_signed(),
                event.appid.as_str(),
                event.openid.as_ref().map(|openid| openid.as_str()),
                event.name,
                event.digest,
                event.create_time,
                event.received_at.0,
                EventState::Received.code(),
                event.body,
            ],
        )?;
        Ok(())
    }

    fn event(&self, id: EventId) -> RowResult<Option<EventView>> {
        let Some(lane) = id.lane() else { return Ok(None) };
        one(
            self,
            concat!("SELECT ", columns!(), " FROM events WHERE lane = ? AND id = ?"),
            params![lane.number(), id.as_bytes()],
            read,
        )
    }

    fn update_event(
        &self,
        id: EventId,
        state: EventState,
        wake_at: Option<UnixMillis>,
        worked_at: Option<UnixMillis>,
        effects: &[Effect],
    ) -> RowResult<()> {
        let effects = serde_json::to_string(effects)
            .map_err(|why| RowError::corrupt(format!("the effects of {id}: {why}")))?;
        change(
            self,
            "UPDATE events SET state = ?3, wake_at = ?4, tries = tries + ?5, worked_at = ?6, effects = ?7 \
             WHERE lane = ?1 AND id = ?2",
            params![
                id.lane().map(Lane::number),
                id.as_bytes(),
                state.code(),
                wake_at.map(|at| at.0),
                u32::from(state != EventState::Done),
                worked_at.map(|at| at.0),
                effects,
            ],
        )?;
        Ok(())
    }

    fn has_open_event(&self, user: &User) -> RowResult<bool> {
        let open = one(
            self,
            "SELECT 1 FROM events INDEXED BY events_open WHERE lane = ? AND wake_at IS NOT NULL AND user_no = ? LIMIT 1",
            params![user.lane.number(), user.key()],
            |cells| cells.raw::<i64>(),
        )?;
        Ok(open.is_some())
    }

    fn callback_heard(&self, event: &NewEvent) -> RowResult<()> {
        change(
            self,
            "INSERT INTO callbacks (appid, last_event_at, last_sent_event_at) VALUES (?1, ?2, ?3) ON CONFLICT (appid) \
             DO UPDATE SET last_event_at = ?2, last_sent_event_at = COALESCE(?3, last_sent_event_at)",
            params![
                event.appid.as_str(),
                event.received_at.0,
                event.is_sent_report.then_some(event.received_at.0)
            ],
        )?;
        Ok(())
    }

    fn callback_verified(&self, appid: &AppId, check: &AddressCheck) -> RowResult<()> {
        change(
            self,
            "INSERT INTO callbacks (appid, verified_at) VALUES (?1, ?2) \
             ON CONFLICT (appid) DO UPDATE SET verified_at = ?2",
            params![appid.as_str(), check.at.0],
        )?;
        Ok(())
    }
}

/// Carries out [`crate::Store::callback_status`].
pub(super) fn status(db: &Connection, appid: &AppId) -> RowResult<CallbackStatus> {
    let status = one(
        db,
        "SELECT verified_at, last_event_at, last_sent_event_at FROM callbacks WHERE appid = ?",
        [appid.as_str()],
        read_status,
    )?;
    Ok(status.unwrap_or_default())
}

/// Carries out [`crate::Store::callback_statuses`].
pub(super) fn statuses(db: &Connection) -> RowResult<Vec<(AppId, CallbackStatus)>> {
    many(
        db,
        "SELECT appid, verified_at, last_event_at, last_sent_event_at FROM callbacks",
        [],
        |cells: &mut Cells<'_>| Ok((cells.parsed()?, read_status(cells)?)),
    )
}

fn read_status(cells: &mut Cells<'_>) -> RowResult<CallbackStatus> {
    Ok(CallbackStatus {
        verified_at: cells.moment_or_none()?,
        last_event_at: cells.moment_or_none()?,
        last_sent_event_at: cells.moment_or_none()?,
    })
}

/// Carries out [`crate::Store::open_events`].
pub(super) fn open(db: &Connection, lane: Lane, now: UnixMillis, limit: u32) -> RowResult<OpenEvents> {
    let mut due = many(
        db,
        concat!(
            "SELECT ",
            columns!(),
            " FROM events INDEXED BY events_open WHERE lane = ? AND wake_at IS NOT NULL AND wake_at <= ? \
             ORDER BY wake_at, id LIMIT ?"
        ),
        params![lane.number(), now.0, limit],
        read,
    )?;
    let next_wake = if due.len() == limit as usize {
        Some(now)
    } else {
        one(
            db,
            "SELECT wake_at FROM events INDEXED BY events_open WHERE lane = ? AND wake_at > ? ORDER BY wake_at LIMIT 1",
            params![lane.number(), now.0],
            |cells| cells.moment(),
        )?
    };
    due.sort_by_key(|event| event.id);
    Ok(OpenEvents { due, next_wake })
}

/// The withdrawals of a user's permits, read from the events that are still kept.
pub(super) fn withdrawals(db: &Connection, user: &User) -> RowResult<Vec<Trace>> {
    let events = many(
        db,
        "SELECT worked_at, effects FROM events INDEXED BY events_of_user WHERE lane = ? AND user_no = ? AND appid = ? \
         AND openid = ? AND worked_at IS NOT NULL AND effects LIKE '%\"revoked\"%'",
        params![user.lane.number(), user.key(), user.appid.as_str(), user.openid.as_str()],
        |cells: &mut Cells<'_>| Ok((cells.moment()?, effects(&cells.raw::<String>()?)?)),
    )?;
    let of_event = |(at, effects): (UnixMillis, Vec<Effect>)| {
        effects.into_iter().filter_map(move |effect| match effect {
            Effect::Revoked { permit, .. } => {
                Some(Trace { permit, message: None, change: PermitChange::Withdrawn { at } })
            }
            _ => None,
        })
    };
    Ok(events.into_iter().flat_map(of_event).collect())
}

/// How many of a user's events are looked at, to find those about a message.
const MAX_LATER: u32 = 1_000;

/// How far the clocks of two nodes may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// The events that were about a message, first to last, among the user's first events after the message was accepted. The
/// index has the ids of a user's events, and an id begins with the time; so no older event is read.
pub(super) fn about(db: &Connection, user: &User, message: &MessageView) -> RowResult<Vec<EventView>> {
    let since = MessageId::first_at(message.accepted_at.minus(CLOCKS_DIFFER));
    let mut events = many(
        db,
        concat!(
            "SELECT ",
            columns!(),
            " FROM events WHERE lane = ?1 AND id IN (SELECT id FROM events INDEXED BY events_of_user \
             WHERE lane = ?1 AND user_no = ?2 AND id >= ?3 ORDER BY id LIMIT ?5) \
             AND instr(effects, ?4) > 0 ORDER BY id LIMIT ?6"
        ),
        params![
            user.lane.number(),
            user.key(),
            since.as_bytes(),
            message.id.to_string(),
            MAX_LATER,
            MAX_STORY
        ],
        read,
    )?;
    // What WeChat wrote may name anything.
    events.retain(|event| event.effects.iter().any(|effect| effect.message() == Some(message.id)));
    Ok(events)
}

fn effects(json: &str) -> RowResult<Vec<Effect>> {
    serde_json::from_str(json).map_err(|why| RowError::corrupt(format!("the effects of an event: {why}")))
}

/// The common part of every page; its parameters are those of `list`. The first column says whether the row matches.
macro_rules! page_of {
    ($where:literal) => {
        concat!(
            "SELECT ((?2 IS NULL OR appid IN (SELECT value FROM json_each(?2))) AND (?3 IS NULL OR openid = ?3) AND (?4 IS NULL OR name = ?4) \
             AND (?5 IS NULL OR lane = ?5) AND (?6 IS NULL OR user_no = ?6)) IS TRUE, id, ",
            columns!(),
            " FROM events ",
            $where,
            " AND id < ?1 AND id >= ?7 ORDER BY id DESC"
        )
    };
}

/// Carries out [`crate::Store::events`]. Of several apps, a user's events are found app by app.
pub(super) fn list(db: &Connection, filter: &EventFilter) -> RowResult<Page<EventView, EventId>> {
    match &filter.apps {
        Some(apps) if apps.len() != 1 && filter.openid.is_some() => {
            let of_app =
                |app: &AppId| walk(db, &EventFilter { apps: Some(vec![app.clone()]), ..filter.clone() });
            let pages = apps.iter().map(of_app).collect::<RowResult<_>>()?;
            Ok(merged(pages, filter.limit, |event| event.id))
        }
        _ => walk(db, filter),
    }
}

/// A page of all apps or of one, or of several without a user. A user's events are read together and sorted. Other pages walk
/// back from the newest event, over at most `look_at` events.
fn walk(db: &Connection, filter: &EventFilter) -> RowResult<Page<EventView, EventId>> {
    const OF_USER: &str = page_of!("INDEXED BY events_of_user WHERE lane = ?5 AND user_no = ?6");
    const ALL: &str = page_of!("WHERE TRUE");
    let user = match (filter.apps.as_deref(), &filter.openid) {
        (Some([appid]), Some(openid)) => Some(User::of(appid, openid)),
        _ => None,
    };
    // An id begins with the time of receipt, so a span of time is a span of ids.
    let newest = EventId::from_bytes([0xff; 16]);
    let before = filter.before.unwrap_or(newest).min(filter.until.map_or(newest, EventId::first_at));
    let since = filter.since.map_or(EventId::from_bytes([0; 16]), EventId::first_at);
    page(
        db,
        if user.is_some() { OF_USER } else { ALL },
        params![
            before.as_bytes(),
            apps_to_json(filter.apps.as_deref())?,
            filter.openid.as_ref().map(AsRef::<str>::as_ref),
            filter.name,
            user.as_ref().map(|user| user.lane.number()),
            user.as_ref().map(User::key),
            since.as_bytes(),
        ],
        (filter.limit, filter.look_at),
        |cells| {
            let (fits, id) = (cells.raw()?, cells.event_id()?);
            Ok((id, if fits { Some(read(cells)?) } else { None }))
        },
    )
}
