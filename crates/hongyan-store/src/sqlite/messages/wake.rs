//! Who is next: the one place where parked and waiting messages are set going.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{LANES, Lane, MessageId, MessageState, Permit, WaitingOrder};
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::super::memory::Writing;
use super::super::rows::{change, many, one};
use super::super::trouble::Res;
use super::super::{apps, permits};
use super::claim::next_wake;
use super::turn::{Gates, Turn, claimed, take_turn};
use super::{MessageRow, User, body, columns, save};
use crate::types::{Claimed, Ended, Epoch, ProbeCursor};

/// The most messages of a user that one settlement ends on its way to the next that can be sent; the rest get a
/// timer.
const MAX_TURNS: usize = 16;

/// What came of handing a user on.
#[derive(Default)]
pub(super) struct HandedOn {
    /// The user's next message, claimed.
    pub(super) next: Option<Claimed>,
    /// Messages that ended on the way.
    pub(super) ended: Vec<Ended>,
    /// When the user's next message must be looked at.
    pub(super) wake_at: Option<UnixMillis>,
}

/// A message of this user left `ready` or `sending`: the next one's turn. With `room` it is claimed at once if it
/// may be; otherwise it gets a timer. Without this, messages parked behind the one that left would sleep for ever.
///
/// `resting` is the message that was just put back to `ready` by its own outcome; while it is the first, the others
/// stay behind it.
pub(super) fn hand_on(
    tx: &Writing<'_>,
    user: &User,
    gates: &Gates,
    resting: Option<MessageId>,
    room: Option<Epoch>,
    now: UnixMillis,
) -> Res<HandedOn> {
    if tx.memory.open.at_most(0, user.lane, user.number) {
        return Ok(HandedOn::default());
    }
    let mut handed = HandedOn::default();
    for turn in 0.. {
        let Some(mut head) = first_ready(tx, user)? else { break };
        let backs_off = !head.is_parked() && head.wake_at.is_some_and(|wake| wake > now);
        if resting == Some(head.id) || backs_off {
            handed.wake_at = head.wake_at;
            break;
        }
        let Some(epoch) = room.filter(|_| turn < MAX_TURNS) else {
            handed.wake_at = Some(now);
            if head.is_parked() {
                head.wake_at = Some(now);
                save(tx, &mut head)?;
            }
            break;
        };
        match take_turn(tx, &mut head, gates, true, now)? {
            Turn::Send(going) => {
                save(tx, &mut head)?;
                let body = body(tx, &head)?;
                handed.next = Some(claimed(&head, going, body.into(), epoch));
                break;
            }
            Turn::Later => {
                save(tx, &mut head)?;
                if head.state == MessageState::Ready {
                    handed.wake_at = head.wake_at;
                    break;
                }
            }
            Turn::End(ended) => {
                save(tx, &mut head)?;
                handed.ended.push(ended);
            }
        }
    }
    Ok(handed)
}

/// The same for verbs that claim nothing: the next one gets a timer.
pub(super) fn wake_next(tx: &Writing<'_>, user: &User, now: UnixMillis) -> Res<()> {
    hand_on(tx, user, &Gates::default(), None, None, now)?;
    Ok(())
}

fn first_ready(tx: &Writing<'_>, user: &User) -> Res<Option<MessageRow>> {
    one(
        tx,
        concat!(
            "SELECT ",
            columns!(),
            " FROM messages WHERE lane = ? AND user = ? AND state = 1 AND state IN (1, 2) AND appid = ? \
             ORDER BY send_at, id LIMIT 1"
        ),
        params![user.lane.number(), user.key(), user.appid.as_str()],
        MessageRow::read,
    )
}

/// Sets going the messages that wait for a permit and that this one serves, in the app's waiting order, as many as it
/// has units for. Returns how many.
pub(in crate::sqlite) fn wake_waiting(
    tx: &Writing<'_>,
    user: &User,
    permit: &Permit,
    now: UnixMillis,
) -> Res<u32> {
    let mut left = permit.clone();
    if !left.units.can_serve() {
        return Ok(0);
    }
    let mut waiting = many(
        tx,
        concat!(
            "SELECT ",
            columns!(),
            " FROM messages WHERE lane = ? AND user = ? AND state = 2 AND state IN (1, 2) AND appid = ? \
             AND openid = ? \
             ORDER BY send_at, id"
        ),
        params![user.lane.number(), user.key(), user.appid.as_str(), user.openid.as_str()],
        MessageRow::read,
    )?;
    // Where only one waits there is no order to ask for.
    if waiting.len() > 1 && apps::waiting_order(tx, &user.appid)? == WaitingOrder::NewestFirst {
        waiting.reverse();
    }
    let mut woken = 0;
    for mut row in waiting {
        // One whose deadline has passed is left to its timer; it needs no unit.
        let over = row.deadline.is_some_and(|end| now >= end);
        if over || !left.serves(row.channel, &row.template, now) {
            continue;
        }
        row.enter(MessageState::Ready, None, now);
        row.wake_at = Some(now);
        save(tx, &mut row)?;
        woken += 1;
        // Counted, not stored: the unit is reserved when the message is sent.
        if !left.units.unlimited && !left.units.hold() {
            break;
        }
    }
    Ok(woken)
}

/// A ready message came to its end without a request. A grant that woke it counted on it to use a unit, and woke
/// nobody else for that one; now others may have it.
pub(super) fn pass_on(tx: &Writing<'_>, user: &User, now: UnixMillis) -> Res<()> {
    let waits = one(
        tx,
        "SELECT 1 FROM messages INDEXED BY messages_queued \
         WHERE lane = ? AND state = 2 AND state IN (1, 2) AND appid = ? AND user = ? LIMIT 1",
        params![user.lane.number(), user.appid.as_str(), user.key()],
        |cells| cells.raw::<i64>(),
    )?;
    if waits.is_some() {
        for permit in permits::open(tx, user, now)? {
            wake_waiting(tx, user, &permit, now)?;
        }
    }
    Ok(())
}

/// Gives every ready message of a lane that has no timer one, now; returns the lane's earliest. Parking and waking are
/// durable, so this only mends what an older version or a hand in the database left behind.
pub(in crate::sqlite) fn mend_timers(
    tx: &Writing<'_>,
    lane: Lane,
    now: UnixMillis,
) -> Res<Option<UnixMillis>> {
    change(
        tx,
        // Left alone, SQLite walks all of the lane's history by another index.
        "UPDATE messages INDEXED BY messages_queued SET wake_at = ?2 \
         WHERE lane = ?1 AND state = 1 AND state IN (1, 2) \
         AND (wake_at IS NULL OR wake_at = deadline)",
        params![lane.number(), now.0],
    )?;
    next_wake(tx, lane)
}

/// Gives every ready message of an app a timer, now.
pub(in crate::sqlite) fn wake_app(tx: &Writing<'_>, appid: &AppId, now: UnixMillis) -> Res<()> {
    for lane in Lane::all() {
        let woken = change(
            tx,
            "UPDATE messages INDEXED BY messages_queued SET wake_at = ?3 \
             WHERE lane = ?1 AND state = 1 AND state IN (1, 2) AND appid = ?2 \
             AND (wake_at IS NULL OR wake_at > ?3)",
            params![lane.number(), appid.as_str(), now.0],
        )?;
        if woken > 0 {
            tx.wakes(lane, MessageState::Ready, now);
        }
    }
    Ok(())
}

/// Gives the first ready messages of at most `limit` users of an app a timer, now. The users behind `after` come
/// first, in an order of their own, and then those before it.
pub(in crate::sqlite) fn wake_some(
    tx: &Writing<'_>,
    appid: &AppId,
    after: Option<&ProbeCursor>,
    limit: usize,
    now: UnixMillis,
) -> Res<Vec<ProbeCursor>> {
    let mut woken: Vec<ProbeCursor> = Vec::new();
    let first = after.map_or(0, |(lane, _)| lane.index());
    // The first lane twice: behind the user, and from its beginning.
    let lanes = (0..=usize::from(LANES)).filter_map(|n| Lane::all().nth((first + n) % usize::from(LANES)));
    for (n, lane) in lanes.enumerate() {
        let mut behind =
            after.filter(|_| n == 0).map_or(i64::MIN, |(_, openid)| User::of(appid, openid).key());
        while woken.len() < limit {
            let Some(mut head) = first_ready_behind(tx, lane, appid, behind)? else { break };
            behind = head.user.key();
            if woken.iter().any(|(_, openid)| *openid == head.user.openid) {
                break;
            }
            head.wake_at = Some(now);
            save(tx, &mut head)?;
            woken.push((lane, head.user.openid));
        }
    }
    Ok(woken)
}

fn first_ready_behind(tx: &Writing<'_>, lane: Lane, appid: &AppId, user: i64) -> Res<Option<MessageRow>> {
    one(
        tx,
        concat!(
            "SELECT ",
            columns!(),
            " FROM messages INDEXED BY messages_queued WHERE lane = ? AND state = 1 AND state IN (1, 2) \
             AND appid = ? AND user > ? ORDER BY user, send_at, id LIMIT 1"
        ),
        params![lane.number(), appid.as_str(), user],
        MessageRow::read,
    )
}

/// The permit of which a user's message in flight has spent a unit that is not lost yet, if there is one.
pub(in crate::sqlite) fn permit_in_flight(
    db: &Connection,
    user: &User,
) -> Res<Option<hongyan_ledger::PermitId>> {
    Ok(one(
        db,
        "SELECT permit_id FROM messages WHERE lane = ? AND user = ? AND state = 3 AND permit_held = 0",
        params![user.lane.number(), user.key()],
        |cells| cells.permit_id_or_none(),
    )?
    .flatten())
}
