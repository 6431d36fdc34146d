//! Clearing away what is old, in small steps.
//!
//! Each step is two halves. A reader walks on from where the last step ended and picks what may go; the writer removes
//! it by key, and looks at each row once more, for it may have changed in between. So the walk over what stays costs
//! the writer nothing, and it is held by a bounded number of deletions only.
//!
//! Messages need no index for this: their key begins with the time at which they were accepted, and none is over
//! before that. So the walk begins at the oldest and ends at the first that was accepted too late. What is still open
//! or over only lately (it was scheduled far ahead) is stepped over.
//!
//! The pages that become free are used again; the file does not shrink. `auto_vacuum` would move pages about in every
//! commit for the sake of a file that grows again tomorrow.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::PATIENCE;
use hongyan_ledger::{EventId, Lane, MessageId, MessageState, PermitId};
use rusqlite::{Connection, params};

use super::audit;
use super::cells::{change, many, one};
use super::trouble::{Res, Trouble};
use crate::rows::User;
use crate::types::{PruneCursor, PruneOrder, Pruned};

/// The most rows that one step looks at: a few milliseconds of a reader.
const MAX_LOOKS: u32 = 1_000;

/// Events are kept at least so long, whatever else is not: while a webhook is asked again and again, and a day more.
const EVENTS_AT_LEAST: Duration = PATIENCE.saturating_add(Duration::from_secs(86_400));

/// What a reader picked: to be removed, and where the walk goes on.
pub(super) struct Picked {
    what: What,
    next: Option<PruneCursor>,
}

enum What {
    Messages(Vec<MessageId>),
    Permits(Vec<(User, PermitId)>),
    /// These need no walk: an index on when they expire leads to them.
    Sessions(Lane),
    GatewayTokens,
    Events(Vec<EventId>),
    Leftovers(Lane),
    Users(Lane),
    Audit,
    /// Up to the one of this number.
    WebhookEvents(i64),
    Nothing,
}

impl Picked {
    /// Whether the writer has nothing to do.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.what {
            What::Messages(ids) => ids.is_empty(),
            What::Permits(permits) => permits.is_empty(),
            What::Nothing => true,
            What::Events(ids) => ids.is_empty(),
            What::Sessions(_)
            | What::GatewayTokens
            | What::Leftovers(_)
            | What::Users(_)
            | What::Audit
            | What::WebhookEvents(_) => false,
        }
    }

    /// The step that removed nothing.
    pub(super) fn unchanged(self) -> Pruned {
        Pruned { next: self.next, ..Pruned::default() }
    }
}

/// Walks on and picks what may go.
pub(super) fn pick(db: &Connection, cursor: &PruneCursor, order: &PruneOrder) -> Res<Picked> {
    let limit = order.limit.max(1) as usize;
    let nothing = |next| Ok(Picked { what: What::Nothing, next: Some(next) });
    match (cursor, order.before) {
        (PruneCursor::Messages { after }, Some(before)) => pick_messages(db, *after, before, limit),
        (PruneCursor::Permits { lane, after }, Some(before)) => {
            let after = after.as_ref().map(|(appid, openid, id)| (User::of(appid, openid), *id));
            pick_permits(db, *lane, after.as_ref(), before, limit)
        }
        (PruneCursor::Messages { .. } | PruneCursor::Permits { .. }, None) => {
            nothing(PruneCursor::Sessions { lane: first_lane() })
        }
        (PruneCursor::Sessions { lane }, _) => {
            let next =
                next_lane(*lane).map_or(PruneCursor::GatewayTokens, |lane| PruneCursor::Sessions { lane });
            let due = one(
                db,
                "SELECT 1 FROM sessions WHERE lane = ? AND expires_at <= ? LIMIT 1",
                params![lane.number(), order.now.0],
                |_| Ok(()),
            )?;
            if due.is_none() {
                nothing(next)
            } else {
                Ok(Picked { what: What::Sessions(*lane), next: Some(next) })
            }
        }
        (PruneCursor::GatewayTokens, _) => {
            Ok(Picked { what: What::GatewayTokens, next: Some(PruneCursor::Events { after: None }) })
        }
        (PruneCursor::Events { after }, Some(before)) => pick_events(db, *after, before, limit),
        (PruneCursor::Events { .. }, None) => nothing(PruneCursor::Leftovers { lane: first_lane() }),
        (PruneCursor::Leftovers { lane }, _) => {
            let next = next_lane(*lane)
                .map_or(PruneCursor::Users { lane: first_lane() }, |lane| PruneCursor::Leftovers { lane });
            let due = one(
                db,
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM event_nonces WHERE lane = ?1 AND expires_at < ?2) \
                 OR EXISTS (SELECT 1 FROM acceptances WHERE lane = ?1 AND expires_at < ?2)",
                params![lane.number(), order.now.0],
                |_| Ok(()),
            )?;
            let what = if due.is_none() { What::Nothing } else { What::Leftovers(*lane) };
            Ok(Picked { what, next: Some(next) })
        }
        (PruneCursor::Users { .. }, None) => nothing(PruneCursor::Audit),
        (PruneCursor::Users { lane }, Some(before)) => {
            let next = next_lane(*lane).map_or(PruneCursor::Audit, |lane| PruneCursor::Users { lane });
            let due = one(
                db,
                "SELECT 1 FROM users WHERE lane = ? AND logged_in_at < ? LIMIT 1",
                params![lane.number(), before.0],
                |_| Ok(()),
            )?;
            let what = if due.is_none() { What::Nothing } else { What::Users(*lane) };
            Ok(Picked { what, next: Some(next) })
        }
        (PruneCursor::Audit, _) => {
            let what = if order.audit_before.is_some() { What::Audit } else { What::Nothing };
            Ok(Picked { what, next: Some(PruneCursor::WebhookEvents) })
        }
        (PruneCursor::WebhookEvents, Some(before)) => {
            pick_webhook_events(db, before.min(order.now.minus(EVENTS_AT_LEAST)), limit)
        }
        (PruneCursor::WebhookEvents, None) => Ok(Picked { what: What::Nothing, next: None }),
    }
}

/// Removes what was picked, unless it has changed.
pub(super) fn remove(
    db: &Connection,
    cursor: &PruneCursor,
    order: &PruneOrder,
    picked: &Picked,
) -> Res<Pruned> {
    let limit = order.limit.max(1);
    let before = order.before.unwrap_or(UnixMillis(i64::MIN));
    let mut pruned = Pruned { next: picked.next.clone(), ..Pruned::default() };
    match &picked.what {
        What::Nothing => {}
        What::Messages(ids) => {
            let mut last = match cursor {
                PruneCursor::Messages { after } => *after,
                _ => None,
            };
            for &id in ids {
                if !remove_message(db, id, before, limit, &mut pruned)? {
                    // There is no room left for all of it: the next step goes on here.
                    pruned.next = Some(PruneCursor::Messages { after: last });
                    break;
                }
                last = Some(id);
            }
        }
        What::Permits(permits) => {
            for (user, id) in permits {
                pruned.permits += changed(
                    db,
                    "DELETE FROM permits WHERE lane = ? AND user = ? AND id = ? AND held = 0 AND expires_at < ?",
                    params![user.lane.number(), user.key(), id.as_bytes(), before.0],
                )?;
            }
        }
        What::Sessions(lane) => {
            pruned.sessions = changed(
                db,
                "DELETE FROM sessions WHERE lane = ?1 AND hash IN (SELECT hash FROM sessions \
                 WHERE lane = ?1 AND expires_at <= ?2 ORDER BY expires_at LIMIT ?3)",
                params![lane.number(), order.now.0, limit],
            )?;
            if pruned.sessions == limit {
                pruned.next = Some(cursor.clone());
            }
        }
        What::GatewayTokens => {
            pruned.gateway_tokens = changed(
                db,
                "DELETE FROM gateway_tokens WHERE hash IN (SELECT hash FROM gateway_tokens \
                 WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
                params![order.now.0, limit],
            )?;
            if pruned.gateway_tokens == limit {
                pruned.next = Some(cursor.clone());
            }
        }
        What::Events(ids) => {
            for id in ids {
                pruned.events += changed(
                    db,
                    "DELETE FROM events WHERE lane = ? AND id = ? AND wake_at IS NULL",
                    params![id.lane().map(Lane::number), id.as_bytes()],
                )?;
            }
        }
        What::Leftovers(lane) => {
            pruned.leftovers = changed(
                db,
                "DELETE FROM event_nonces WHERE lane = ?1 AND hash IN (SELECT hash FROM event_nonces \
                 WHERE lane = ?1 AND expires_at < ?2 ORDER BY expires_at LIMIT ?3)",
                params![lane.number(), order.now.0, limit],
            )?;
            pruned.leftovers += changed(
                db,
                "DELETE FROM acceptances WHERE lane = ?1 AND (user, appid, openid, template, source, at) IN \
                 (SELECT user, appid, openid, template, source, at FROM acceptances \
                 WHERE lane = ?1 AND expires_at < ?2 ORDER BY expires_at LIMIT ?3)",
                params![lane.number(), order.now.0, limit - pruned.leftovers],
            )?;
            if pruned.leftovers == limit {
                pruned.next = Some(cursor.clone());
            }
        }
        What::Users(lane) => {
            // A session that goes on after that is one whose user decides nothing with the key any more: what the key
            // opens is as old as the login.
            pruned.users = changed(
                db,
                "DELETE FROM users WHERE lane = ?1 AND (appid, openid) IN (SELECT appid, openid FROM users \
                 WHERE lane = ?1 AND logged_in_at < ?2 ORDER BY logged_in_at LIMIT ?3)",
                params![lane.number(), before.0, limit],
            )?;
            if pruned.users == limit {
                pruned.next = Some(cursor.clone());
            }
        }
        What::Audit => {
            pruned.audit = audit::prune(db, order.audit_before.unwrap_or(UnixMillis(i64::MIN)), limit)?;
            if pruned.audit == limit {
                pruned.next = Some(cursor.clone());
            }
        }
        What::WebhookEvents(last) => remove_webhook_events(db, *last, limit, &mut pruned)?,
    }
    Ok(pruned)
}

/// Events that came long ago and are done. With an event goes the memory that it came: a repeat of it would be new.
/// WeChat repeats within a minute.
fn pick_events(db: &Connection, after: Option<EventId>, before: UnixMillis, limit: usize) -> Res<Picked> {
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
        PruneCursor::Events { after: ids.last().copied() }
    } else if is_last {
        PruneCursor::Leftovers { lane: first_lane() }
    } else {
        PruneCursor::Events { after: looked.last().map(|(id, _)| *id) }
    };
    Ok(Picked { what: What::Events(ids), next: Some(next) })
}

/// The oldest events, as long as they are old.
fn pick_webhook_events(db: &Connection, before: UnixMillis, limit: usize) -> Res<Picked> {
    let oldest = many(
        db,
        "SELECT number, created_at FROM webhook_events ORDER BY number LIMIT ?",
        [limit as i64],
        |cells| Ok((cells.raw::<i64>()?, cells.moment()?)),
    )?;
    let is_last = oldest.len() < limit || oldest.last().is_some_and(|(_, at)| *at >= before);
    let last = oldest.into_iter().take_while(|(_, at)| *at < before).last();
    Ok(Picked {
        what: last.map_or(What::Nothing, |(number, _)| What::WebhookEvents(number)),
        next: (!is_last).then_some(PruneCursor::WebhookEvents),
    })
}

/// Removes events with their deliveries, those first. What it has no room for is for the next step.
fn remove_webhook_events(db: &Connection, last: i64, limit: u32, pruned: &mut Pruned) -> Res<()> {
    pruned.deliveries = changed(
        db,
        "DELETE FROM webhook_deliveries WHERE (event, webhook) IN (SELECT event, webhook FROM webhook_deliveries \
         WHERE event <= ? ORDER BY event, webhook LIMIT ?)",
        params![last, limit],
    )?;
    let room = limit - pruned.deliveries;
    pruned.webhook_events = changed(
        db,
        "DELETE FROM webhook_events WHERE number IN (SELECT number FROM webhook_events AS event \
         WHERE number <= ?1 AND NOT EXISTS (SELECT 1 FROM webhook_deliveries AS own WHERE own.event = event.number) \
         ORDER BY number LIMIT ?2)",
        params![last, room],
    )?;
    if pruned.rows() == limit {
        pruned.next = Some(PruneCursor::WebhookEvents);
    }
    Ok(())
}

/// Whether nothing more is to be done or found out about a message of this state. (`sent` may still be reported as
/// delivered or refused, within a day or two; `unknown` is kept until somebody settles it.)
const fn is_over(state: MessageState) -> bool {
    state.is_settled() && !matches!(state, MessageState::Unknown)
}

fn pick_messages(db: &Connection, after: Option<MessageId>, before: UnixMillis, limit: usize) -> Res<Picked> {
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
        PruneCursor::Messages { after: ids.last().copied() }
    } else if is_last {
        PruneCursor::Permits { lane: first_lane(), after: None }
    } else {
        PruneCursor::Messages { after: looked.last().map(|(id, ..)| *id) }
    };
    Ok(Picked { what: What::Messages(ids), next: Some(next) })
}

/// Removes a message, its older attempts first. `false`: the step's room was not enough for all of it.
fn remove_message(
    db: &Connection,
    id: MessageId,
    before: UnixMillis,
    limit: u32,
    pruned: &mut Pruned,
) -> Res<bool> {
    let lane = id.lane().ok_or_else(|| Trouble::corrupt(format!("{id} has no lane")))?.number();
    let key = params![lane, id.as_bytes()];
    let stays = one(db, "SELECT state, updated_at FROM messages WHERE lane = ? AND id = ?", key, |cells| {
        let (state, updated_at) = (cells.coded(MessageState::from_code)?, cells.moment()?);
        Ok(!is_over(state) || updated_at >= before)
    })?;
    if stays != Some(false) {
        return Ok(true);
    }
    let room = limit - pruned.rows();
    pruned.attempts += changed(
        db,
        "DELETE FROM attempts WHERE message_id = ?1 AND lane = ?2 AND number IN \
         (SELECT number FROM attempts WHERE message_id = ?1 AND lane = ?2 ORDER BY number LIMIT ?3)",
        params![id.as_bytes(), lane, room],
    )?;
    if pruned.rows() == limit {
        return Ok(false);
    }
    change(db, "DELETE FROM resolutions WHERE lane = ? AND message_id = ?", key)?;
    pruned.messages += changed(db, "DELETE FROM messages WHERE lane = ? AND id = ?", key)?;
    Ok(true)
}

/// Permits with a code (forms, payments) that are void for long. Counters are one per user, kind and template, and
/// stay. So does the newest of each kind, for it is the answer to "why can this user not be reached?": the last one
/// expired then. And so does what a message that is kept names, or holds.
fn pick_permits(
    db: &Connection,
    lane: Lane,
    after: Option<&(User, PermitId)>,
    before: UnixMillis,
    limit: usize,
) -> Res<Picked> {
    let (user, id) = after.map_or((i64::MIN, [0; 16]), |(user, id)| (user.key(), *id.as_bytes()));
    let looked = many(
        db,
        "SELECT appid, openid, id, kind, code IS NOT NULL AND held = 0 AND expires_at < ?4 FROM permits \
         WHERE lane = ?1 AND (user, id) > (?2, ?3) ORDER BY user, id LIMIT ?5",
        params![lane.number(), user, id, before.0, MAX_LOOKS],
        |cells| {
            let user = User::of(&cells.parsed()?, &cells.parsed()?);
            Ok((user, cells.permit_id()?, cells.raw::<u8>()?, cells.raw::<bool>()?))
        },
    )?;
    let is_last = looked.len() < MAX_LOOKS as usize;
    let mut next = match looked.last() {
        Some((user, id, ..)) if !is_last => {
            PruneCursor::Permits { lane, after: Some((user.appid.clone(), user.openid.clone(), *id)) }
        }
        _ => next_lane(lane).map_or(PruneCursor::Sessions { lane: first_lane() }, |lane| {
            PruneCursor::Permits { lane, after: None }
        }),
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
            next = PruneCursor::Permits { lane, after: Some((user.appid.clone(), user.openid.clone(), *id)) };
            break;
        }
    }
    Ok(Picked { what: What::Permits(permits), next: Some(next) })
}

/// What explains something about a user.
struct Kept {
    /// Permits that a message names, in its last attempt or in an earlier one.
    named: HashSet<PermitId>,
    /// The newest permit of each kind.
    newest: HashMap<u8, PermitId>,
}

fn kept(db: &Connection, user: &User) -> Res<Kept> {
    let of_user = params![user.lane.number(), user.key(), user.appid.as_str(), user.openid.as_str()];
    let messages = many(
        db,
        "SELECT id, permit_id, attempt_permit_id, attempts FROM messages INDEXED BY messages_of_user \
         WHERE lane = ? AND user = ? AND appid = ? AND openid = ?",
        of_user,
        |cells| {
            let id = cells.message_id()?;
            Ok((id, [cells.permit_id_or_none()?, cells.permit_id_or_none()?], cells.raw::<u32>()?))
        },
    )?;
    let mut named: HashSet<PermitId> =
        messages.iter().flat_map(|(_, permits, _)| permits).flatten().copied().collect();
    for (id, _, attempts) in messages {
        // The last attempt is in the message itself.
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
        "SELECT kind, MAX(id) FROM permits WHERE lane = ? AND user = ? AND appid = ? AND openid = ? GROUP BY kind",
        of_user,
        |cells| Ok((cells.raw()?, cells.permit_id()?)),
    )?;
    Ok(Kept { named, newest: newest.into_iter().collect() })
}

/// No id that was made at this moment or later is smaller.
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

fn changed(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Res<u32> {
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

    #[test]
    fn only_what_nobody_asks_about_any_more_is_over() {
        use MessageState as S;
        let over: Vec<_> = S::ALL.into_iter().filter(|state| is_over(*state)).collect();
        assert_eq!(over, [S::Sent, S::Delivered, S::Refused, S::Failed, S::Cancelled, S::Expired]);
    }
}
