//! The model: what the rules say, without a database.

use std::collections::HashMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Then, Verdict};
use hongyan_ledger::sent_report::PATIENCE;
use hongyan_ledger::{
    Channel, EventId, Lane, MessageId, MessageState as S, OnUnknown, PermitId, PermitKind, PermitPolicy,
};

use super::super::world::{START, appid, user};
use super::verbs::Push;
use crate::types::MessageView;

/// The lane of the user with this number.
pub(super) fn lane(number: usize) -> Lane {
    Lane::of(&appid(), &user(number as u32))
}

/// A message in the model.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) user: usize,
    pub(super) channel: Channel,
    pub(super) policy: PermitPolicy,
    pub(super) on_unknown: OnUnknown,
    /// The message came with its own permit, and may use no other.
    pub(super) has_own: bool,
    /// Its collapse key.
    pub(super) collapse: Option<u8>,
    pub(super) send_at: UnixMillis,
    pub(super) deadline: Option<UnixMillis>,
    pub(super) state: S,
    /// The permit that it names, if it is open or was sent.
    pub(super) permit: Option<PermitId>,
    /// A unit stays kept for it, although its outcome is unknown.
    pub(super) keeps_unit: bool,
    pub(super) maybe_delivered: bool,
    pub(super) attempts: u32,
    /// When the last attempt began.
    pub(super) attempted_at: UnixMillis,
    /// The end of its own pause after a failure: it need not be looked at before.
    pub(super) backs_off_until: UnixMillis,
}

/// A permit in the model.
#[derive(Debug, Clone)]
pub(super) struct Permit {
    pub(super) id: PermitId,
    pub(super) user: usize,
    pub(super) kind: PermitKind,
    /// How many units were granted. An unlimited permit counts them only after it was revoked.
    pub(super) granted: u32,
    pub(super) revoked: u32,
    /// The permit has as many units as are needed, until it is revoked.
    pub(super) is_unlimited: bool,
    /// Units that were given back while the permit was revoked and that no message has; counted while it is unlimited again.
    pub(super) spare: u32,
    pub(super) granted_at: UnixMillis,
    pub(super) expires_at: Option<UnixMillis>,
    pub(super) code: Option<String>,
}

/// The verb that was carried out, so that only its own moves are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The messages from this index on are new.
    Accept {
        from: usize,
    },
    Claim,
    Settle(MessageId),
    Cancel(MessageId),
    Resolve(MessageId),
    Other,
}

/// An open event in the model.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) id: EventId,
    pub(super) user: usize,
    pub(super) push: Push,
    pub(super) received_at: UnixMillis,
    /// How often the event was put off.
    pub(super) tries: u32,
    /// When to look at the event.
    pub(super) wake_at: UnixMillis,
}

pub(super) struct Model {
    pub(super) now: UnixMillis,
    pub(super) messages: Vec<Message>,
    pub(super) permits: Vec<Permit>,
    /// Until when the app is paused, if it is paused. The end of time: until it is resumed.
    pub(super) paused: Option<UnixMillis>,
    /// The pause is that of an open breaker: it ends when a probe is answered, or when another pause replaces it.
    pub(super) is_broken: bool,
    pub(super) keys: HashMap<(usize, u8), (MessageId, u8)>,
    /// The events, in the order of their receipt.
    pub(super) events: Vec<Event>,
}

impl Model {
    /// The model at the beginning.
    pub(super) fn new() -> Self {
        Self {
            now: START,
            messages: Vec::new(),
            permits: Vec::new(),
            paused: None,
            is_broken: false,
            keys: HashMap::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn message(&self, id: MessageId) -> &Message {
        self.messages.iter().find(|message| message.id == id).expect("it was accepted")
    }

    pub(super) fn message_mut(&mut self, id: MessageId) -> &mut Message {
        self.messages.iter_mut().find(|message| message.id == id).expect("it was accepted")
    }

    pub(super) fn in_state(&self, state: S) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.state == state)
    }

    /// Pauses the app until this moment (the end of time: until it is resumed), by its breaker if `is_outage`.
    pub(super) fn pause(&mut self, until: Option<UnixMillis>, is_outage: bool) {
        let until = until.unwrap_or(UnixMillis::MAX);
        if self.is_broken {
            // Any other pause replaces an outage, and messages that rested because of the outage must rest because of the
            // new pause.
            if !is_outage {
                self.end_pause();
            }
            (self.paused, self.is_broken) = (Some(until), is_outage);
        } else if self.paused.is_none_or(|present| present <= until) {
            // The longer pause stays; a pause for an operator is the longest.
            (self.paused, self.is_broken) = (Some(until), is_outage);
        }
    }

    /// The state of a message of unknown outcome after this verdict.
    pub(super) fn resolved(&self, message: &Message, verdict: Verdict) -> S {
        match verdict {
            Verdict::Sent => S::Sent,
            Verdict::NotSent { then: Then::Fail } => S::Failed,
            Verdict::NotSent { then: Then::Send } if message.deadline.is_some_and(|end| end <= self.now) => {
                S::Expired
            }
            // A newer message with the same collapse key replaces it, unless the newer one failed, expired or was cancelled.
            Verdict::NotSent { then: Then::Send }
                if self.about_the_same(message).any(|other| {
                    other.id > message.id && !matches!(other.state, S::Failed | S::Cancelled | S::Expired)
                }) =>
            {
                S::Cancelled
            }
            Verdict::NotSent { then: Then::Send } => S::Ready,
        }
    }

    /// The user withdrew from subscribe messages. Returns the voided units by permit, in order.
    pub(super) fn withdraw(&mut self, user: usize) -> Vec<(PermitId, u32)> {
        let of_user = |permit: &&Permit| permit.user == user && permit.kind.channel() == Channel::Subscribe;
        let permits = self.permits.iter().filter(of_user);
        let can_serve = permits.filter(|permit| permit.is_unlimited || self.free(permit) > 0);
        let mut taken: Vec<_> = can_serve.map(|permit| (permit.id, self.free(permit))).collect();
        taken.sort_unstable();
        for (id, _) in &taken {
            self.void(*id);
        }
        taken
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some_and(|until| self.now < until)
    }

    /// The app's pause ends: every ready message is due now, even a message that backs off.
    pub(super) fn end_pause(&mut self) {
        (self.paused, self.is_broken) = (None, false);
        for message in &mut self.messages {
            message.backs_off_until = UnixMillis(0);
        }
    }

    /// Whether a scheduled message in the user's lane is due and was not looked at.
    pub(super) fn is_timer_due(&self, user: usize) -> bool {
        let due = |message: &&Message| {
            message.state == S::Scheduled && message.send_at <= self.now && lane(message.user) == lane(user)
        };
        self.messages.iter().any(|message| due(&message))
    }

    /// Whether another message of the user is in flight, or is ready and goes before this one.
    pub(super) fn is_behind(&self, message: &Message) -> bool {
        self.messages.iter().any(|other| {
            other.user == message.user
                && other.id != message.id
                && (other.state == S::Sending
                    || (other.state == S::Ready && (other.send_at, other.id) < (message.send_at, message.id)))
        })
    }

    /// Whether a look at the lane could move the message now.
    pub(super) fn is_due(&self, message: &Message) -> bool {
        let open = message.state.is_cancellable();
        let over = open && message.deadline.is_some_and(|end| end <= self.now);
        let scheduled = message.state == S::Scheduled && message.send_at <= self.now;
        // Behind an open breaker only one message is woken now and then.
        let ready = message.state == S::Ready
            && !self.is_broken
            && !self.is_paused()
            && !self.is_behind(message)
            && message.backs_off_until <= self.now;
        over || scheduled || ready
    }

    /// When the message's lane must be looked at for it, at the latest.
    pub(super) fn owed_at(&self, message: &Message) -> Option<UnixMillis> {
        let own = match message.state {
            S::Scheduled => Some(message.send_at),
            S::Ready if self.is_behind(message) => None,
            // The search for a probe looks at it.
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

    /// Whether the rules allow this move now, by this verb. `self` has the states before the verb, except for messages that
    /// have moved already.
    pub(super) fn allows(
        &self,
        before: &Message,
        after: &MessageView,
        cause: Cause,
    ) -> Result<(), &'static str> {
        let over = before.deadline.is_some_and(|end| end <= self.now);
        let turn = matches!(cause, Cause::Accept { .. } | Cause::Claim | Cause::Settle(_));
        let may = match after.state {
            S::Sending if !turn => Err("only these verbs start a message"),
            S::Sending if before.send_at > self.now => Err("its time has not come"),
            S::Sending if over => Err("its deadline has passed"),
            S::Sending if self.is_paused() => Err("its app is paused"),
            S::Sending
                if after.permit.is_none() && (before.has_own || before.policy != PermitPolicy::Try) =>
            {
                Err("it has no permit")
            }
            S::Ready if before.state == S::Scheduled && before.send_at > self.now => Err("too early"),
            S::Waiting if before.policy != PermitPolicy::Wait || before.has_own => Err("it must not wait"),
            S::Expired if !over => Err("its deadline lies ahead"),
            S::Expired if before.maybe_delivered => Err("it may have arrived"),
            S::Unknown if !over => Err("only its deadline ends it so"),
            S::Unknown if !before.maybe_delivered => Err("nothing is in doubt"),
            S::Cancelled if after.replaced_by.is_some() => self.may_replace(before, after, cause),
            S::Cancelled if cause != Cause::Cancel(before.id) => Err("nobody cancelled it"),
            // The outcome of its own attempt may have said that no permit is left.
            S::Failed if cause == Cause::Settle(before.id) => Ok(()),
            S::Failed if before.policy == PermitPolicy::Try && !before.has_own => Err("it needs no permit"),
            S::Sent | S::Delivered | S::Refused | S::Scheduled => Err("no verb but its settlement"),
            _ => Ok(()),
        };
        may.and_then(
            |()| {
                if before.state.may_become(after.state) { Ok(()) } else { Err("no state leads there") }
            },
        )
    }

    /// Whether another message may have replaced this one.
    fn may_replace(&self, before: &Message, after: &MessageView, cause: Cause) -> Result<(), &'static str> {
        let place = self.messages.iter().position(|message| Some(message.id) == after.replaced_by);
        let Some(place) = place else { return Err("by a message that is not there") };
        match cause {
            Cause::Accept { from } if place < from => Err("by a message that was there before"),
            // A newer message was accepted while this one was in flight or in doubt.
            Cause::Settle(id) | Cause::Resolve(id) if id != before.id => Err("it was not under way"),
            Cause::Accept { .. } | Cause::Settle(_) | Cause::Resolve(_) if before.maybe_delivered => {
                Err("it may have arrived")
            }
            Cause::Accept { .. } | Cause::Settle(_) | Cause::Resolve(_) => Ok(()),
            _ => Err("nothing was accepted"),
        }
    }

    /// The messages of a user with the same collapse key.
    pub(super) fn about_the_same<'a>(&'a self, message: &'a Message) -> impl Iterator<Item = &'a Message> {
        self.messages.iter().filter(|other| {
            other.user == message.user
                && other.id != message.id
                && message.collapse.is_some()
                && other.collapse == message.collapse
        })
    }

    /// The message that an event about the user's subscribe messages reports on. An error: the answer to a send is awaited,
    /// and will tell.
    pub(super) fn reported(&self, event: &Event) -> Result<Option<MessageId>, ()> {
        let possible = |state: S| {
            self.messages.iter().filter(move |message| {
                message.user == event.user
                    && message.channel == Channel::Subscribe
                    && message.state == state
                    && message.attempted_at <= event.received_at
            })
        };
        if self.now.since(event.received_at) < PATIENCE && possible(S::Sending).next().is_some() {
            return Err(());
        }
        let oldest = |state| possible(state).min_by_key(|message| (message.attempted_at, message.id));
        Ok(oldest(S::Unknown).or_else(|| oldest(S::Sent)).map(|message| message.id))
    }
}
