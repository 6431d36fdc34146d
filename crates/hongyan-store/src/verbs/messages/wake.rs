//! Gives timers to messages that wait or rest. All wake-ups by permits and apps are here.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{LANES, Lane, MessageState, Permit, WaitingOrder};
use hongyan_wechat::{AppId, OpenId};

use super::write::save;
use crate::row_error::RowResult;
use crate::rows::{Rows, User};

/// Wakes the waiting messages that this permit serves, in the app's waiting order, as many as it has units for. Returns how
/// many.
pub(crate) fn wake_waiting(
    rows: &impl Rows,
    user: &User,
    permit: &Permit,
    now: UnixMillis,
) -> RowResult<u32> {
    let mut left = permit.clone();
    if !left.units.can_serve() {
        return Ok(0);
    }
    let mut waiting = rows.waiting(user)?;
    // Ask for the order only if more than one message waits.
    if waiting.len() > 1 && rows.waiting_order(&user.appid)? == WaitingOrder::NewestFirst {
        waiting.reverse();
    }
    let mut woken = 0;
    for mut row in waiting {
        // A message whose deadline has passed is left to its timer; it needs no unit.
        let over = row.deadline.is_some_and(|end| now >= end);
        if over || !left.serves(row.channel, &row.template, now) {
            continue;
        }
        row.enter(MessageState::Ready, None, now);
        row.wake_at = Some(now);
        save(rows, &mut row)?;
        woken += 1;
        // The unit is only counted here, not stored as held: it is reserved when the message is sent.
        if !left.units.unlimited && !left.units.hold() {
            break;
        }
    }
    Ok(woken)
}

/// A ready message ended without a request. The grant that woke it had counted a unit for it and woke no other message for
/// this unit, so wake another message now.
pub(super) fn pass_on(rows: &impl Rows, user: &User, now: UnixMillis) -> RowResult<()> {
    if rows.has_waiting(user)? {
        for permit in rows.open_permits(user, now)? {
            wake_waiting(rows, user, &permit, now)?;
        }
    }
    Ok(())
}

/// Gives every ready message of a lane that has no timer a timer, now; returns the lane's earliest timer. Parking and waking
/// are durable, so this only repairs what an older version or a manual change of the database left.
pub(crate) fn mend_timers(rows: &impl Rows, lane: Lane, now: UnixMillis) -> RowResult<Option<UnixMillis>> {
    rows.mend_timers(lane, now)?;
    rows.next_wake(lane)
}

/// Gives every ready message of an app a timer, now.
pub(crate) fn wake_app(rows: &impl Rows, appid: &AppId, now: UnixMillis) -> RowResult<()> {
    for lane in Lane::all() {
        if rows.wake_ready(lane, appid, now)? {
            rows.signals().wake(lane, MessageState::Ready, now);
        }
    }
    Ok(())
}

/// Gives the first ready messages of at most `limit` users of an app a timer, now. It goes through the users in the
/// backend's order, from behind `after` to the end, and then from the beginning.
pub(crate) fn wake_some(
    rows: &impl Rows,
    appid: &AppId,
    after: Option<&OpenId>,
    limit: usize,
    now: UnixMillis,
) -> RowResult<Vec<OpenId>> {
    let mut woken: Vec<OpenId> = Vec::new();
    let after = after.map(|openid| User::of(appid, openid));
    let first = after.as_ref().map_or(0, |user| user.lane.index());
    // The first lane comes twice: once behind the user, at last from its beginning.
    let lanes = (0..=usize::from(LANES)).filter_map(|n| Lane::all().nth((first + n) % usize::from(LANES)));
    for (n, lane) in lanes.enumerate() {
        let mut behind = after.clone().filter(|_| n == 0);
        while woken.len() < limit {
            let Some(mut head) = rows.first_ready_of_next_user(lane, appid, behind.as_ref())? else { break };
            if woken.contains(&head.user.openid) {
                break;
            }
            head.wake_at = Some(now);
            save(rows, &mut head)?;
            woken.push(head.user.openid.clone());
            behind = Some(head.user);
        }
    }
    Ok(woken)
}
