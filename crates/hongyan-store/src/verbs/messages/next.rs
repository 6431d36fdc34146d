//! The user's next message, when a message has left `ready` or `sending`.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState};

use super::turn::{Turn, claimed, take_turn};
use super::write::save;
use crate::row_error::RowResult;
use crate::rows::{Rows, User};
use crate::types::{Claimed, Ended, Epoch};

/// How many messages of a user one settlement ends, at most, on its way to a message that can be sent. The next one gets a
/// timer.
const MAX_TURNS: usize = 16;

/// The result of handing on.
#[derive(Default)]
pub(super) struct HandedOn {
    /// The user's next message, claimed.
    pub(super) next: Option<Claimed>,
    /// Messages that ended on the way.
    pub(super) ended: Vec<Ended>,
    /// When the lane must be looked at for the user's next message.
    pub(super) wake_at: Option<UnixMillis>,
}

/// A message of this user left `ready` or `sending`: hands on to the user's next message. With `room` the next message is
/// claimed at once if it may go; otherwise it gets a timer. Without this, the messages parked behind the first one would
/// never be looked at again.
///
/// `resting` is the message that its own outcome has just put back to `ready`. While it is the user's first message, the
/// others stay parked behind it.
pub(super) fn hand_on(
    rows: &impl Rows,
    user: &User,
    resting: Option<MessageId>,
    room: Option<Epoch>,
    now: UnixMillis,
) -> RowResult<HandedOn> {
    if !rows.may_have_open(user) {
        return Ok(HandedOn::default());
    }
    let mut handed = HandedOn::default();
    for turn in 0.. {
        let Some(mut head) = rows.first_ready(user)? else { break };
        let backs_off = !head.is_parked() && head.wake_at.is_some_and(|wake| wake > now);
        if resting == Some(head.id) || backs_off {
            handed.wake_at = head.wake_at;
            break;
        }
        let Some(epoch) = room.filter(|_| turn < MAX_TURNS) else {
            handed.wake_at = Some(now);
            if head.is_parked() {
                head.wake_at = Some(now);
                save(rows, &mut head)?;
            }
            break;
        };
        match take_turn(rows, &mut head, true, now)? {
            Turn::Send(going) => {
                save(rows, &mut head)?;
                let (body, origin) = rows.body(&head)?;
                handed.next = Some(claimed(&head, going, (body.into(), origin), epoch));
                break;
            }
            Turn::Later => {
                save(rows, &mut head)?;
                if head.state == MessageState::Ready {
                    handed.wake_at = head.wake_at;
                    break;
                }
            }
            Turn::End(ended) => {
                save(rows, &mut head)?;
                handed.ended.push(ended);
            }
        }
    }
    Ok(handed)
}

/// The same for verbs that claim nothing: the user's next message gets a timer.
pub(super) fn wake_next(rows: &impl Rows, user: &User, now: UnixMillis) -> RowResult<()> {
    hand_on(rows, user, None, None, now)?;
    Ok(())
}
