//! Removes old rows, in small steps.
//!
//! Each step has two halves. A reader goes on from where the last step ended, and picks rows that may be removed. The writer
//! removes them by key, and checks each row again, because it may have changed in between. So the walk over rows that stay
//! costs the writer nothing, and each step holds it for a bounded number of deletions only.
//!
//! Messages need no index for this: their keys begin with the time of their acceptance, and no message is over before that.
//! So the walk begins at the oldest message and ends at the first that was accepted too late. It skips messages that are
//! still open, or have been over only for a short time (they were scheduled far ahead).
//!
//! SQLite uses the free pages again; the file does not shrink. `auto_vacuum` would move pages in every commit for the sake
//! of a file that grows again the next day.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::PATIENCE;
use hongyan_ledger::{EventId, Lane, MessageId, MessageState, PermitId};
use rusqlite::{Connection, params};

use super::cells::{change, many, one};
use super::memory::Transaction;
use super::row_error::{RowError, RowResult};
use super::tallies;
use super::user_entries::{self, is_of_user, permits_behind};
use crate::rows::old::{Old, Picked};
use crate::rows::{OldRows, User};
use crate::types::{PruneAt, PruneOrder, PruneWalk};
use crate::verbs::prune::is_over;

/// How many rows one step looks at, at most: a few milliseconds of a reader.
const MAX_LOOKS: u32 = 1_000;

/// Webhook events are kept at least this long, whatever the settings say: the time in which they are tried, and a day more.
const EVENTS_AT_LEAST: Duration = PATIENCE.saturating_add(Duration::from_secs(86_400));

/// Goes on, and picks rows that may be removed.
pub(super) fn pick(db: &Connection, walk: &PruneWalk, order: &PruneOrder) -> RowResult<Picked> {
    let limit = order.limit.max(1) as usize;
    let nothing = |next| Ok(Picked { what: Old::Nothing, next: Some(next) });
    match (&walk.0, order.before) {
        (PruneAt::Messages { after }, Some(before)) => pick_messages(db, *after, before, limit),
        (PruneAt::Permits { lane, after }, Some(before)) => {
            let after = after.as_ref().map(|(appid, openid, id)| (User::of(appid, openid), *id));
            pick_permits(db, *lane, after.as_ref(), before, limit)
        }
        (PruneAt::Messages { .. } | PruneAt::Permits { .. }, None) => {
            nothing(PruneAt::Sessions { lane: first_lane() })
        }
        (PruneAt::Sessions { lane }, _) => {
            let next = next_lane(*lane).map_or(PruneAt::GatewayTokens, |lane| PruneAt::Sessions { lane });
            let due = one(
                db,
                "SELECT 1 FROM sessions WHERE lane = ? AND expires_at <= ? LIMIT 1",
                params![lane.number(), order.now.0],
                |_| Ok(()),
            )?;
            if due.is_none() {
                nothing(next)
            } else {
                Ok(Picked { what: Old::Sessions(*lane), next: Some(next) })
            }
        }
        (PruneAt::GatewayTokens, _) => {
            Ok(Picked { what: Old::GatewayTokens, next: Some(PruneAt::Events { after: None }) })
        }
        (PruneAt::Events { after }, Some(before)) => pick_events(db, *after, before, limit),
        (PruneAt::Events { .. }, None) => nothing(PruneAt::Leftovers { lane: first_lane() }),
        (PruneAt::Leftovers { lane }, _) => {
            let next = next_lane(*lane)
                .map_or(PruneAt::Users { lane: first_lane() }, |lane| PruneAt::Leftovers { lane });
            let due = one(
                db,
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM event_nonces WHERE lane = ?1 AND expires_at < ?2) \
                 OR EXISTS (SELECT 1 FROM acceptances WHERE lane = ?1 AND expires_at < ?2)",
                params![lane.number(), order.now.0],
                |_| Ok(()),
            )?;
            let what = if due.is_none() { Old::Nothing } else { Old::Leftovers(*lane) };
            Ok(Picked { what, next: Some(next) })
        }
        (PruneAt::Users { .. }, None) => nothing(PruneAt::Audit),
        (PruneAt::Users { lane }, Some(before)) => {
            let next = next_lane(*lane).map_or(PruneAt::Audit, |lane| PruneAt::Users { lane });
            let due = one(
                db,
                "SELECT 1 FROM users WHERE lane = ? AND logged_in_at < ? LIMIT 1",
                params![lane.number(), before.0],
                |_| Ok(()),
            )?;
            let what = if due.is_none() { Old::Nothing } else { Old::Users(*lane) };
            Ok(Picked { what, next: Some(next) })
        }
        (PruneAt::Audit, _) => {
            let what = if order.audit_before.is_some() { Old::Audit } else { Old::Nothing };
            Ok(Picked { what, next: Some(PruneAt::Tallies) })
        }
        (PruneAt::Tallies, _) => {
            let what = if tallies::is_any_old(db, order.now)? { Old::Tallies } else { Old::Nothing };
            Ok(Picked { what, next: Some(PruneAt::WebhookEvents) })
        }
        (PruneAt::WebhookEvents, Some(before)) => {
            pick_webhook_events(db, before.min(order.now.minus(EVENTS_AT_LEAST)), limit)
        }
        (PruneAt::WebhookEvents, None) => Ok(Picked { what: Old::Nothing, next: None }),
    }
}

/// Old events that are done. When an event is removed, a repeat of it would count as new. WeChat repeats within a minute.
fn pick_events(
    db: &Connection,
    after: Option<EventId>,
    before: UnixMillis,
    limit: usize,
) -> RowResult<Picked> {
    let looked = many(
        db,
        "SELECT id, wake_at IS NULL FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
        params![after.map_or([0; 16], |id| *id.as_bytes()), first_id_of(before), MAX_LOOKS],
        |cells| Ok((cells.event_id()?, cells.raw::<bool>()?)),
    )?;
    let is_last = looked.len() < MAX_LOOKS as usize;
    let mut ids: Vec<EventId> = looked.iter().filter(|(_, is_done)| *is_done).map(|(id, _)| *id).collect();
    let next = if ids.len() > limit {
        ids.truncate(limit);
        PruneAt::Events { after: ids.last().copied() }
    } else if is_last {
        PruneAt::Leftovers { lane: first_lane() }
    } else {
        PruneAt::Events { after: looked.last().map(|(id, _)| *id) }
    };
    Ok(Picked { what: Old::Events(ids), next: Some(next) })
}

/// The oldest webhook events that are old enough.
fn pick_webhook_events(db: &Connection, before: UnixMillis, limit: usize) -> RowResult<Picked> {
    let oldest = many(
        db,
        "SELECT number, created_at FROM webhook_events ORDER BY number LIMIT ?",
        [limit as i64],
        |cells| Ok((cells.raw::<i64>()?, cells.moment()?)),
    )?;
    let is_last = oldest.len() < limit || oldest.last().is_some_and(|(_, at)| *at >= before);
    let last = oldest.into_iter().take_while(|(_, at)| *at < before).last();
    Ok(Picked {
        what: last.map_or(Old::Nothing, |(number, _)| Old::WebhookEvents(number)),
        next: (!is_last).then_some(PruneAt::WebhookEvents),
    })
}

fn pick_messages(
    db: &Connection,
    after: Option<MessageId>,
    before: UnixMillis,
    limit: usize,
) -> RowResult<Picked> {
    let looked = many(
        db,
        "SELECT id, state, updated_at FROM messages WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
        params![after.map_or([0; 16], |id| *id.as_bytes()), first_id_of(before), MAX_LOOKS],
        |cells| Ok((cells.message_id()?, cells.coded(MessageState::from_code)?, cells.moment()?)),
    )?;
    let is_last = looked.len() < MAX_LOOKS as usize;
    let mut ids: Vec<MessageId> = looked
        .iter()
        .filter(|(_, state, updated_at)| is_over(*state) && *updated_at < before)
        .map(|(id, ..)| *id)
        .collect();
    let next = if ids.len() > limit {
        ids.truncate(limit);
        PruneAt::Messages { after: ids.last().copied() }
    } else if is_last {
        PruneAt::Permits { lane: first_lane(), after: None }
    } else {
        PruneAt::Messages { after: looked.last().map(|(id, ..)| *id) }
    };
    Ok(Picked { what: Old::Messages(ids), next: Some(next) })
}

/// Permits with a code (forms, payments) that have been void for long. Three kinds stay. Counters stay, because there is
/// only one per user, kind and template. The newest permit of each kind stays, because it answers "why can this user not be
/// reached?". A permit stays if a message that is kept names it, or if a unit of it is held.
/// expired then. And so does what a message that is kept names, or holds.
fn pick_permits(
    db: &Connection,
    lane: Lane,
    after: Option<&(User, PermitId)>,
    before: UnixMillis,
    limit: usize,
) -> RowResult<Picked> {
    let (user, id) = after.map_or((i64::MIN, [0; 16]), |(user, id)| (user.key(), *id.as_bytes()));
    let looked = many(
        db,
        permits_behind!("appid, openid, id, kind, code IS NOT NULL AND held = 0 AND expires_at < ?5"),
        params![lane.number(), user, id, MAX_LOOKS, before.0],
        |cells| {
            let user = User::of(&cells.parsed()?, &cells.parsed()?);
            Ok((user, cells.permit_id()?, cells.raw::<u8>()?, cells.raw::<bool>()?))
        },
    )?;
    let is_last = looked.len() < MAX_LOOKS as usize;
    let mut next = match looked.last() {
        Some((user, id, ..)) if !is_last => {
            PruneAt::Permits { lane, after: Some((user.appid.clone(), user.openid.clone(), *id)) }
        }
        _ => next_lane(lane)
            .map_or(PruneAt::Sessions { lane: first_lane() }, |lane| PruneAt::Permits { lane, after: None }),
    };
    let mut permits = Vec::new();
    let mut of_user: Option<(User, Kept)> = None;
    for (user, id, kind, is_void) in looked {
        if !is_void {
            continue;
        }
        if of_user.as_ref().is_none_or(|(known, _)| *known != user) {
            of_user = Some((user.clone(), kept(db, &user)?));
        }
        let Some((_, kept)) = &of_user else { continue };
        if kept.named.contains(&id) || kept.newest.get(&kind) == Some(&id) {
            continue;
        }
        permits.push((user, id));
        if permits.len() == limit {
            let (user, id) = &permits[limit - 1];
            next = PruneAt::Permits { lane, after: Some((user.appid.clone(), user.openid.clone(), *id)) };
            break;
        }
    }
    Ok(Picked { what: Old::Permits(permits), next: Some(next) })
}

/// The permits of a user that are still needed as an explanation.
struct Kept {
    /// Permits that a message names, in its last attempt or in an earlier attempt.
    named: HashSet<PermitId>,
    /// The newest permit of each kind.
    newest: HashMap<u8, PermitId>,
}

fn kept(db: &Connection, user: &User) -> RowResult<Kept> {
    let of_user = params![user.lane.number(), user.key(), user.appid.as_str(), user.openid.as_str()];
    let messages = many(
        db,
        concat!(
            "SELECT id, permit_id, attempt_permit_id, attempts FROM messages \
             WHERE lane = ?1 AND appid = ?3 AND openid = ?4 AND ",
            is_of_user!("?1", "?2")
        ),
        of_user,
        |cells| {
            let id = cells.message_id()?;
            Ok((id, [cells.permit_id_or_none()?, cells.permit_id_or_none()?], cells.raw::<u32>()?))
        },
    )?;
    let mut named: HashSet<PermitId> =
        messages.iter().flat_map(|(_, permits, _)| permits).flatten().copied().collect();
    for (id, _, attempts) in messages {
        // The last attempt is stored in the message itself.
        if attempts > 1 {
            named.extend(many(
                db,
                "SELECT permit_id FROM attempts WHERE message_id = ? AND lane = ? AND permit_id IS NOT NULL",
                params![id.as_bytes(), user.lane.number()],
                |cells| cells.permit_id(),
            )?);
        }
    }
    let newest = many(
        db,
        "SELECT kind, MAX(id) FROM user_entries WHERE lane = ? AND user_no = ? AND entry = 0 AND appid = ? AND openid = ? GROUP BY kind",
        of_user,
        |cells| Ok((cells.raw()?, cells.permit_id()?)),
    )?;
    Ok(Kept { named, newest: newest.into_iter().collect() })
}

/// The smallest id that can be made at this moment or later.
fn first_id_of(moment: UnixMillis) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&moment.0.max(0).to_be_bytes()[2..]);
    id
}

fn first_lane() -> Lane {
    Lane::all().next().expect("there is more than one lane")
}

fn next_lane(lane: Lane) -> Option<Lane> {
    Lane::new(lane.number() + 1)
}

impl OldRows for Transaction<'_> {
    fn standing_of(&self, id: MessageId) -> RowResult<Option<(MessageState, UnixMillis)>> {
        one(
            self,
            "SELECT state, updated_at FROM messages WHERE lane = ? AND id = ?",
            params![lane_of(id)?, id.as_bytes()],
            |cells| Ok((cells.coded(MessageState::from_code)?, cells.moment()?)),
        )
    }

    fn delete_attempts(&self, id: MessageId, limit: u32) -> RowResult<u32> {
        changed(
            self,
            "DELETE FROM attempts WHERE message_id = ?1 AND lane = ?2 AND number IN \
             (SELECT number FROM attempts WHERE message_id = ?1 AND lane = ?2 ORDER BY number LIMIT ?3)",
            params![id.as_bytes(), lane_of(id)?, limit],
        )
    }

    fn delete_message(&self, id: MessageId) -> RowResult<u32> {
        let key = params![lane_of(id)?, id.as_bytes()];
        change(self, "DELETE FROM resolutions WHERE lane = ? AND message_id = ?", key)?;
        user_entries::delete(self, id)?;
        changed(self, "DELETE FROM messages WHERE lane = ? AND id = ?", key)
    }

    fn delete_expired_permit(&self, user: &User, id: PermitId, before: UnixMillis) -> RowResult<u32> {
        changed(
            self,
            "DELETE FROM user_entries WHERE lane = ? AND user_no = ? AND entry = 0 AND id = ? AND held = 0 AND expires_at < ?",
            params![user.lane.number(), user.key(), id.as_bytes(), before.0],
        )
    }

    fn delete_event(&self, id: EventId) -> RowResult<u32> {
        changed(
            self,
            "DELETE FROM events WHERE lane = ? AND id = ? AND wake_at IS NULL",
            params![id.lane().map(Lane::number), id.as_bytes()],
        )
    }

    fn delete_old_nonces(&self, lane: Lane, now: UnixMillis, limit: u32) -> RowResult<u32> {
        changed(
            self,
            "DELETE FROM event_nonces WHERE lane = ?1 AND hash IN (SELECT hash FROM event_nonces \
             WHERE lane = ?1 AND expires_at < ?2 ORDER BY expires_at LIMIT ?3)",
            params![lane.number(), now.0, limit],
        )
    }

    fn delete_old_acceptances(&self, lane: Lane, now: UnixMillis, limit: u32) -> RowResult<u32> {
        changed(
            self,
            "DELETE FROM acceptances WHERE lane = ?1 AND (user_no, appid, openid, template, source, at) IN \
             (SELECT user_no, appid, openid, template, source, at FROM acceptances \
             WHERE lane = ?1 AND expires_at < ?2 ORDER BY expires_at LIMIT ?3)",
            params![lane.number(), now.0, limit],
        )
    }

    fn delete_old_session_keys(&self, lane: Lane, before: UnixMillis, limit: u32) -> RowResult<u32> {
        changed(
            self,
            "DELETE FROM users WHERE lane = ?1 AND (appid, openid) IN (SELECT appid, openid FROM users \
             WHERE lane = ?1 AND logged_in_at < ?2 ORDER BY logged_in_at LIMIT ?3)",
            params![lane.number(), before.0, limit],
        )
    }

    fn delete_deliveries(&self, last: i64, limit: u32) -> RowResult<u32> {
        changed(
            self,
            "DELETE FROM webhook_deliveries WHERE (event, webhook) IN (SELECT event, webhook FROM webhook_deliveries \
             WHERE event <= ? ORDER BY event, webhook LIMIT ?)",
            params![last, limit],
        )
    }

    fn delete_webhook_events(&self, last: i64, limit: u32) -> RowResult<u32> {
        changed(
            self,
            "DELETE FROM webhook_events WHERE number IN (SELECT number FROM webhook_events AS event \
             WHERE number <= ?1 AND NOT EXISTS (SELECT 1 FROM webhook_deliveries AS own WHERE own.event = event.number) \
             ORDER BY number LIMIT ?2)",
            params![last, limit],
        )
    }
}

/// The number of the lane in a message's key.
fn lane_of(id: MessageId) -> RowResult<u8> {
    id.lane().map(Lane::number).ok_or_else(|| RowError::corrupt(format!("{id} has no lane")))
}

fn changed(db: &Connection, sql: &str, params: impl rusqlite::Params) -> RowResult<u32> {
    Ok(change(db, sql, params)? as u32)
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;

    use super::*;

    #[test]
    fn the_first_id_of_a_moment_lies_between_the_ids_of_before_and_after() {
        let (maker, lane) = (IdMaker::new(), Lane::new(63).unwrap());
        let moment = UnixMillis(1_790_000_000_123);
        let first = first_id_of(moment);
        assert!(maker.message(lane, UnixMillis(moment.0 - 1)).as_bytes() < &first);
        assert!(maker.message(lane, moment).as_bytes() > &first);
    }
}
