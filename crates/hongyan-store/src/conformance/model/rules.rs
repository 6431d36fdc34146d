//! The model: what the rules say, without a database.

use std::collections::HashMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{
    Channel, Lane, MessageId, MessageState as S, OnUnknown, PermitId, PermitKind, PermitPolicy,
};

use super::super::world::{START, appid, user};
use crate::types::{Claimed, MessageView, NewPermit};

/// The lane of the user with this number.
pub(super) fn lane(number: usize) -> Lane {
    Lane::of(&appid(), &user(number as u32))
}

/// A message as the rules see it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) user: usize,
    pub(super) channel: Channel,
    pub(super) policy: PermitPolicy,
    pub(super) on_unknown: OnUnknown,
    pub(super) own_form: bool,
    pub(super) send_at: UnixMillis,
    pub(super) deadline: Option<UnixMillis>,
    pub(super) state: S,
    /// What it names, if it is open or was sent.
    pub(super) permit: Option<PermitId>,
    /// A unit stays kept for it, although its outcome is unknown.
    pub(super) keeps_unit: bool,
    pub(super) maybe_delivered: bool,
    pub(super) attempts: u32,
    /// Its own pause after a failure: nothing is owed to it before this.
    pub(super) backs_off_until: UnixMillis,
}

/// A permit as the rules see it.
#[derive(Debug, Clone)]
pub(super) struct Permit {
    pub(super) id: PermitId,
    pub(super) user: usize,
    pub(super) kind: PermitKind,
    pub(super) granted: u32,
    pub(super) revoked: u32,
    /// An unlimited one that was refused.
    pub(super) is_dead: bool,
    pub(super) granted_at: UnixMillis,
    pub(super) expires_at: Option<UnixMillis>,
    pub(super) code: Option<String>,
}

/// What a verb did, so that only its own moves are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Accept,
    Claim,
    Settle(MessageId),
    Cancel(MessageId),
    Grant,
    Other,
}

pub(super) struct Model {
    pub(super) now: UnixMillis,
    pub(super) messages: Vec<Message>,
    pub(super) permits: Vec<Permit>,
    /// Until when, if it is paused; the end of time: until it is resumed.
    pub(super) paused: Option<UnixMillis>,
    /// The pause is that of an open breaker: it is over when a probe was answered, or another pause takes its place.
    pub(super) is_broken: bool,
    pub(super) keys: HashMap<(usize, u8), (MessageId, u8)>,
}

impl Model {
    /// Before anything has happened.
    pub(super) fn new() -> Self {
        Self {
            now: START,
            messages: Vec::new(),
            permits: Vec::new(),
            paused: None,
            is_broken: false,
            keys: HashMap::new(),
        }
    }

    pub(super) fn message(&self, id: MessageId) -> &Message {
        self.messages.iter().find(|message| message.id == id).expect("it was accepted")
    }

    pub(super) fn message_mut(&mut self, id: MessageId) -> &mut Message {
        self.messages.iter_mut().find(|message| message.id == id).expect("it was accepted")
    }

    /// A permit of this user was granted under this name. Whether its code was known.
    pub(super) fn granted(&mut self, user: usize, new: &NewPermit, id: PermitId) -> bool {
        let now = self.now;
        let same = self.permits.iter_mut().find(|permit| {
            permit.user == user
                && if new.code.is_some() {
                    permit.code == new.code
                } else {
                    permit.code.is_none() && permit.kind == new.kind
                }
        });
        match same {
            Some(permit) if permit.code.is_some() => {
                assert_eq!(permit.id, id);
                true
            }
            Some(permit) => {
                assert_eq!(permit.id, id, "a subscription is one counter");
                permit.granted += if permit.kind.is_unlimited() { 0 } else { new.count };
                permit.is_dead = false;
                permit.granted_at = now;
                false
            }
            None => {
                self.permits.push(Permit {
                    id,
                    user,
                    kind: new.kind,
                    granted: if new.kind.is_unlimited() { 0 } else { new.count },
                    revoked: 0,
                    is_dead: false,
                    granted_at: now,
                    expires_at: new.expires_at,
                    code: new.code.clone(),
                });
                false
            }
        }
    }

    /// WeChat said that the permit of this attempt is dead: what is left of it is void.
    pub(super) fn revoke(&mut self, claimed: &Claimed) {
        let Some(id) = claimed.permit.as_ref().map(|permit| permit.id) else { return };
        self.message_mut(claimed.id).permit = None;
        let used = self.spent(id) + self.reserved(id);
        let permit = self.permits.iter_mut().find(|permit| permit.id == id).expect("it was granted");
        let was_dead = std::mem::replace(&mut permit.is_dead, true);
        if permit.kind.is_unlimited() {
            // The unit that a message had kept when the permit died is void now; one that was kept of a permit that is
            // alive goes back to where there are always more. There are no others.
            let held = claimed.permit.as_ref().is_some_and(|permit| permit.held);
            permit.revoked += u32::from(held && was_dead);
        } else {
            permit.revoked = permit.granted - used;
        }
    }

    pub(super) fn spent(&self, id: PermitId) -> u32 {
        let sent = |message: &&Message| message.state == S::Sent && message.permit == Some(id);
        self.messages.iter().filter(sent).count() as u32
    }

    /// Units that are named by a message in flight, or kept for one that is open or in doubt.
    pub(super) fn reserved(&self, id: PermitId) -> u32 {
        let keeps = |message: &&Message| {
            message.permit == Some(id)
                && (matches!(message.state, S::Scheduled | S::Ready | S::Waiting | S::Sending)
                    || (message.state == S::Unknown && message.keeps_unit))
        };
        self.messages.iter().filter(keeps).count() as u32
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some_and(|until| self.now < until)
    }

    /// The app sends again: whatever is ready is looked at now, also what backs off.
    pub(super) fn end_pause(&mut self) {
        (self.paused, self.is_broken) = (None, false);
        for message in &mut self.messages {
            message.backs_off_until = UnixMillis(0);
        }
    }

    /// Something scheduled in the user's lane is due, and nobody has looked.
    pub(super) fn is_timer_due(&self, user: usize) -> bool {
        let due = |message: &&Message| {
            message.state == S::Scheduled && message.send_at <= self.now && lane(message.user) == lane(user)
        };
        self.messages.iter().any(|message| due(&message))
    }

    /// Whether a permit could serve this message, were it its turn now.
    pub(super) fn has_permit(&self, message: &Message) -> bool {
        self.permits.iter().any(|permit| {
            let own = message.permit == Some(permit.id);
            let free = if permit.kind.is_unlimited() {
                !permit.is_dead
            } else {
                permit.granted > permit.revoked + self.spent(permit.id) + self.reserved(permit.id)
            };
            permit.user == message.user
                && permit.kind.channel() == message.channel
                && permit.expires_at.is_none_or(|end| self.now < end)
                && (own || (free && !message.own_form))
        })
    }

    /// Another message of the user is in flight, or is ready and ahead.
    pub(super) fn is_behind(&self, message: &Message) -> bool {
        self.messages.iter().any(|other| {
            other.user == message.user
                && other.id != message.id
                && (other.state == S::Sending
                    || (other.state == S::Ready && (other.send_at, other.id) < (message.send_at, message.id)))
        })
    }

    /// Whether the clock alone lets something happen to it now.
    pub(super) fn is_due(&self, message: &Message) -> bool {
        let open = message.state.is_cancellable();
        let over = open && message.deadline.is_some_and(|end| end <= self.now);
        let scheduled = message.state == S::Scheduled && message.send_at <= self.now;
        // Of those behind an open breaker one is woken, now and then.
        let ready = message.state == S::Ready
            && !self.is_broken
            && !self.is_paused()
            && !self.is_behind(message)
            && message.backs_off_until <= self.now;
        over || scheduled || ready
    }

    /// When its lane must be looked at because of it, at the latest.
    pub(super) fn owed_at(&self, message: &Message) -> Option<UnixMillis> {
        let own = match message.state {
            S::Scheduled => Some(message.send_at),
            S::Ready if self.is_behind(message) => None,
            // Whoever probes owes it a look.
            S::Ready if self.is_broken => None,
            S::Ready => match self.paused.filter(|_| self.is_paused()) {
                Some(until) => Some(until.max(message.backs_off_until)),
                None => Some(message.backs_off_until.max(self.now)),
            },
            S::Waiting => None,
            _ => return None,
        };
        own.into_iter().chain(message.deadline).min()
    }

    /// Whether the rules allow this move now, by this verb. `self` has the state before it, of all but the messages
    /// that have moved already.
    pub(super) fn allows(
        &self,
        before: &Message,
        after: &MessageView,
        cause: Cause,
    ) -> Result<(), &'static str> {
        let over = before.deadline.is_some_and(|end| end <= self.now);
        let turn = matches!(cause, Cause::Accept | Cause::Claim | Cause::Settle(_));
        let may = match after.state {
            S::Sending if !turn => Err("only these verbs start a message"),
            S::Sending if before.send_at > self.now => Err("its time has not come"),
            S::Sending if over => Err("its deadline has passed"),
            S::Sending if self.is_paused() => Err("its app is paused"),
            S::Sending
                if after.permit.is_none() && (before.own_form || before.policy != PermitPolicy::Try) =>
            {
                Err("it has no permit")
            }
            S::Ready if before.state == S::Scheduled && before.send_at > self.now => Err("too early"),
            S::Waiting if before.policy != PermitPolicy::Wait || before.own_form => Err("it must not wait"),
            S::Expired if !over => Err("its deadline lies ahead"),
            S::Expired if before.maybe_delivered => Err("it may have arrived"),
            S::Unknown if !over => Err("only its deadline ends it so"),
            S::Unknown if !before.maybe_delivered => Err("nothing is in doubt"),
            S::Cancelled if cause != Cause::Cancel(before.id) => Err("nobody cancelled it"),
            // Its own outcome may have said that there is no right to it.
            S::Failed if cause == Cause::Settle(before.id) => Ok(()),
            S::Failed if before.policy == PermitPolicy::Try && !before.own_form => Err("it needs no permit"),
            S::Sent | S::Delivered | S::Refused | S::Scheduled => Err("no verb but its settlement"),
            _ => Ok(()),
        };
        may.and_then(
            |()| {
                if before.state.may_become(after.state) { Ok(()) } else { Err("no state leads there") }
            },
        )
    }
}
