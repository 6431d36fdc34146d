//! The checks after each verb.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::gate::PROBE_PATIENCE;
use hongyan_ledger::tally::{Counted, TallyStep};
use hongyan_ledger::{MessageId, MessageState as S, ReasonCode};

use super::super::world::START;
use super::rules::{Cause, Message, lane};
use super::run::Run;
use super::verbs::{USERS, Verb};
use crate::types::{MessageView, TallyFilter};

impl Run {
    /// Compares everything that can be observed with the model. The model takes over the moves that the rules allow.
    pub(super) async fn audit(&mut self, verb: &Verb, cause: Cause) {
        let views = self.views().await;
        let probed = self.audit_probes(verb, &views);
        assert_eq!(views.len(), self.model.messages.len(), "messages are neither lost nor made");
        for view in &views {
            let before = self.model.message(view.id).clone();
            if before.state != view.state {
                let may = self.model.allows(&before, view, cause);
                assert_eq!(may, Ok(()), "{verb:?}: {before:?}\nbecame {view:?}");
            }
        }
        if probed {
            self.model.paused = Some(self.model.now.plus(PROBE_PATIENCE));
        }
        let (before, now) = (self.model.messages.clone(), self.model.now);
        for view in &views {
            let message = self.model.message_mut(view.id);
            message.keeps_unit |= view.state == S::Unknown && message.state != S::Unknown;
            message.state = view.state;
            if view.attempts > message.attempts {
                message.attempted_at = now;
            }
            message.attempts = view.attempts;
            if view.state != S::Unknown || message.keeps_unit {
                message.permit = view.permit;
            }
        }
        let waited = self.waited();
        self.audit_order(verb, &before, &waited);
        self.audit_collapsed(verb, cause, &views);
        self.audit_permits(verb).await;
        self.audit_flying();
        self.audit_timers(verb).await;
        self.audit_events(verb);
        self.audit_tallies(verb, &views).await;
    }

    /// At most one message of a user is in flight, and it has not overtaken a message that was ready all the time. A message
    /// that found no permit at its turn has let the others pass; it may be ready again because one of them has ended.
    fn audit_order(&self, verb: &Verb, before: &[Message], waited: &BTreeSet<MessageId>) {
        for (was, message) in before.iter().zip(&self.model.messages) {
            if message.state != S::Sending {
                continue;
            }
            for (other_was, other) in before.iter().zip(&self.model.messages) {
                let is_other = other.user == message.user && other.id != message.id;
                assert!(
                    !is_other || other.state != S::Sending,
                    "{verb:?}: two in flight: {message:?}, {other:?}"
                );
                let was_ahead = other_was.state == S::Ready
                    && other.state == S::Ready
                    && !waited.contains(&other.id)
                    && (other.send_at, other.id) < (message.send_at, message.id);
                let starts = was.state != S::Sending;
                assert!(!(is_other && starts && was_ahead), "{verb:?}: {message:?} has overtaken {other:?}");
            }
        }
        // After a claim with enough places, the lane has no message left that could move.
        if let Verb::Claim { user, limit: 100 } = verb {
            for message in self.model.messages.iter().filter(|message| lane(message.user) == lane(*user)) {
                assert!(!self.model.is_due(message), "{verb:?}: {message:?} is due and was not moved");
            }
        }
        for message in self.model.messages.iter().filter(|message| message.state == S::Waiting) {
            let open = |other: &Message| {
                other.user == message.user && other.state != S::Waiting && !other.state.is_settled()
            };
            let others = self.model.messages.iter().any(open);
            // A message whose deadline has passed only waits for its timer.
            let over = message.deadline.is_some_and(|end| end <= self.model.now);
            let served = !others && !over && self.model.has_permit(message);
            assert!(!served, "{verb:?}: {message:?} waits although a permit serves it");
        }
    }

    /// Of a user's unsent messages with the same collapse key, only the newest is left.
    fn audit_collapsed(&self, verb: &Verb, cause: Cause, views: &[MessageView]) {
        let new = match cause {
            Cause::Accept { from } => &self.model.messages[from..],
            _ => &[],
        };
        for view in views {
            let message = self.model.message(view.id);
            assert_eq!(
                view.replaced_by.is_some(),
                view.reason == Some(ReasonCode::Replaced),
                "{verb:?}: {view:?}"
            );
            let successor = view.replaced_by.map(|id| self.model.message(id));
            if let Some(successor) = successor {
                let is_right = self.model.about_the_same(message).any(|other| other.id == successor.id);
                assert!(is_right && successor.id > view.id, "{verb:?}: {view:?} gave way to {successor:?}");
            }
            let is_new = new.iter().any(|new| new.id == view.id);
            let counts = is_new || message.state.is_withdrawable(message.maybe_delivered);
            let older = self.model.about_the_same(message).filter(|other| other.id < message.id);
            for older in older.filter(|_| counts) {
                // A message that was accepted by the same call was never started.
                let is_left = older.state.is_withdrawable(older.maybe_delivered)
                    || (is_new && new.iter().any(|new| new.id == older.id) && older.state == S::Sending);
                assert!(!is_left, "{verb:?}: {older:?} is left beside {message:?}");
            }
            assert!(
                !view.state.is_final() || view.wake_at.is_none(),
                "{verb:?}: a final message has a timer: {view:?}"
            );
        }
    }

    async fn audit_permits(&self, verb: &Verb) {
        for number in 0..USERS {
            let views = self.permits(number).await;
            let model: Vec<_> = self.model.permits.iter().filter(|permit| permit.user == number).collect();
            assert_eq!(views.len(), model.len());
            for view in views {
                let permit = model.iter().find(|permit| permit.id == view.permit.id).expect("it was granted");
                let totals = view.totals;
                assert!(totals.balance(), "{verb:?}: {view:?}");
                let (spent, reserved) = (self.model.spent(permit.id), self.model.reserved(permit.id));
                assert_eq!(
                    (totals.spent, totals.reserved, totals.revoked),
                    (spent, reserved, permit.revoked),
                    "{verb:?}: {view:?}\n{permit:?}\n{:#?}",
                    self.model.messages
                );
                let free = self.model.free(permit);
                let void = permit.expires_at.is_some_and(|end| end <= self.model.now);
                let (available, expired) = if void { (0, free) } else { (free, 0) };
                assert_eq!((totals.available, totals.expired), (available, expired), "{verb:?}: {view:?}");
                assert_eq!(view.permit.expires_at, permit.expires_at, "{verb:?}: {view:?}");
                assert!(permit.is_unlimited || totals.granted == permit.granted, "{verb:?}: {view:?}");
            }
        }
    }

    /// The messages that are `sending` are those that dispatch has, each with the permit that it names.
    fn audit_flying(&self) {
        let sending = self.model.messages.iter().filter(|message| message.state == S::Sending);
        assert_eq!(sending.count(), self.flying.len());
        for claimed in &self.flying {
            let message = self.model.message(claimed.id);
            assert_eq!((message.state, message.attempts), (S::Sending, claimed.attempt));
            assert_eq!(message.on_unknown, claimed.on_unknown);
            assert_eq!(message.permit, claimed.permit.as_ref().map(|permit| permit.id));
            assert_eq!(message.maybe_delivered, claimed.maybe_delivered);
        }
    }

    /// Through an open breaker one message goes, and it closes the gate behind itself.
    fn audit_probes(&self, verb: &Verb, views: &[MessageView]) -> bool {
        let starts = |view: &&MessageView| {
            let before = self.model.message(view.id);
            view.state == S::Sending && view.attempts > before.attempts
        };
        let started: Vec<_> = views.iter().filter(starts).map(|view| view.id).collect();
        let of_these = self.flying.iter().filter(|claimed| started.contains(&claimed.id));
        let probes = of_these.filter(|claimed| claimed.is_probe).count();
        if !self.model.is_broken {
            assert_eq!(probes, 0, "{verb:?}: a probe, with no breaker open");
            return false;
        }
        assert!(started.len() <= 1, "{verb:?}: {} at once through an open breaker", started.len());
        assert_eq!(probes, started.len(), "{verb:?}");
        !started.is_empty()
    }

    /// No lane has its next look later than its messages allow, and signals announced that look: no message is forgotten.
    async fn audit_timers(&mut self, verb: &Verb) {
        for number in 0..USERS {
            // A claim with a limit of 0 only says when the lane must be looked at.
            let asked = self.claim(lane(number), 0).await;
            let next = asked.next_wake.unwrap_or(UnixMillis::MAX);
            let told = self.told(lane(number));
            assert!(told <= next, "{verb:?}: a message is due at {next}, and its lane is looked at {told}");
            for message in self.model.messages.iter().filter(|message| lane(message.user) == lane(number)) {
                // Overdue work counts as due now.
                let owed = self.model.owed_at(message).map_or(UnixMillis::MAX, |at| at.max(self.model.now));
                assert!(next <= owed, "{verb:?}: the lane sleeps till {next}, past {owed}: {message:?}");
            }
        }
    }

    /// The figures say how many messages came to each state.
    async fn audit_tallies(&mut self, verb: &Verb, views: &[MessageView]) {
        for view in views {
            let before = self.stood.insert(view.id, view.state);
            if before != Some(view.state) && view.state.is_settled() {
                *self.came_to.entry(view.state).or_default() += 1;
            }
        }
        let filter = TallyFilter {
            apps: None,
            template: None,
            since: START,
            until: self.model.now.plus(Duration::from_secs(1)),
            step: TallyStep::Hour,
            by: None,
        };
        let (mut accepted, mut came_to) = (0, HashMap::new());
        for (_, counted, count) in self.world.store.tallies(filter).await.unwrap().steps {
            let state = match counted {
                Counted::Accepted => {
                    accepted += count;
                    continue;
                }
                Counted::Retried => continue,
                Counted::Sent(_) => S::Sent,
                Counted::Delivered => S::Delivered,
                Counted::Refused(_) => S::Refused,
                Counted::Failed(_) => S::Failed,
                Counted::Unknown => S::Unknown,
                Counted::Expired => S::Expired,
                Counted::Cancelled => S::Cancelled,
            };
            *came_to.entry(state).or_default() += count;
        }
        assert_eq!(accepted, self.model.messages.len() as u64, "{verb:?}");
        assert_eq!(came_to, self.came_to, "{verb:?}");
    }

    /// Every open event was announced by a signal.
    fn audit_events(&mut self, verb: &Verb) {
        for event in self.model.events.clone() {
            let told = self.told_of_events(lane(event.user));
            assert!(told <= event.wake_at, "{verb:?}: its lane is looked at {told}: {event:?}");
        }
    }
}
