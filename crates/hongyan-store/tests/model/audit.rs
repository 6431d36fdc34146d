//! What is looked at after each verb.

use super::*;

impl Model {
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

    fn spent(&self, id: PermitId) -> u32 {
        let sent = |message: &&Message| message.state == S::Sent && message.permit == Some(id);
        self.messages.iter().filter(sent).count() as u32
    }

    /// Units that are named by a message in flight, or kept for one that is open or in doubt.
    fn reserved(&self, id: PermitId) -> u32 {
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
    fn has_permit(&self, message: &Message) -> bool {
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
    fn is_behind(&self, message: &Message) -> bool {
        self.messages.iter().any(|other| {
            other.user == message.user
                && other.id != message.id
                && (other.state == S::Sending
                    || (other.state == S::Ready && (other.send_at, other.id) < (message.send_at, message.id)))
        })
    }

    /// Whether the clock alone lets something happen to it now.
    fn is_due(&self, message: &Message) -> bool {
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
    fn owed_at(&self, message: &Message) -> Option<UnixMillis> {
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
    fn allows(&self, before: &Message, after: &MessageView, cause: Cause) -> Result<(), &'static str> {
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

impl Run {
    /// Holds everything that can be observed against the model, which takes over what the rules allow.
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
        let before = self.model.messages.clone();
        for view in &views {
            let message = self.model.message_mut(view.id);
            message.keeps_unit |= view.state == S::Unknown && message.state != S::Unknown;
            message.state = view.state;
            message.attempts = view.attempts;
            if view.state != S::Unknown || message.keeps_unit {
                message.permit = view.permit;
            }
        }
        self.audit_order(verb, &before);
        self.audit_permits(verb).await;
        self.audit_flying();
        self.audit_timers(verb).await;
    }

    /// Of one user at most one message is in flight, and it has overtaken none that was ready.
    fn audit_order(&self, verb: &Verb, before: &[Message]) {
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
                    && (other.send_at, other.id) < (message.send_at, message.id);
                let starts = was.state != S::Sending;
                assert!(!(is_other && starts && was_ahead), "{verb:?}: {message:?} has overtaken {other:?}");
            }
        }
        // Once a lane was looked at with places enough, nothing in it is left that could move.
        if let Verb::Claim { user, limit: 100 } = verb {
            for message in self.model.messages.iter().filter(|message| lane(message.user) == lane(*user)) {
                assert!(!self.model.is_due(message), "{verb:?}: {message:?} was forgotten");
            }
        }
        for message in self.model.messages.iter().filter(|message| message.state == S::Waiting) {
            let open = |other: &Message| {
                other.user == message.user && other.state != S::Waiting && !other.state.is_settled()
            };
            let others = self.model.messages.iter().any(open);
            // One that is over waits for its timer alone.
            let over = message.deadline.is_some_and(|end| end <= self.model.now);
            let served = !others && !over && self.model.has_permit(message);
            assert!(!served, "{verb:?}: {message:?} waits beside a permit");
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
                if permit.kind.is_unlimited() {
                    assert_eq!((totals.available, totals.expired), (0, 0));
                    continue;
                }
                let free = permit.granted - spent - reserved - permit.revoked;
                let void = permit.expires_at.is_some_and(|end| end <= self.model.now);
                let (available, expired) = if void { (0, free) } else { (free, 0) };
                assert_eq!((totals.available, totals.expired), (available, expired), "{verb:?}: {view:?}");
                assert_eq!(totals.granted, permit.granted);
            }
        }
    }

    /// Dispatch has in its hands what is `sending`, each with the permit that it names.
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

    /// Through an open breaker goes one message, and it closes the gate behind itself.
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

    /// No lane sleeps longer than its messages may, and whoever looks at it was told: nobody is asleep.
    async fn audit_timers(&self, verb: &Verb) {
        for number in 0..USERS {
            // With no place for anybody, a claim only says when the lane wants to be looked at.
            let asked = self.claim(lane(number), 0).await;
            let (next, messages) = (asked.next_wake.unwrap_or(UnixMillis::MAX), &self.model.messages);
            let told = self.timers.at(lane(number));
            assert!(told <= next, "{verb:?}: a message is due at {next}, and its lane is looked at {told}");
            for message in messages.iter().filter(|message| lane(message.user) == lane(number)) {
                // What is overdue is due now.
                let owed = self.model.owed_at(message).map_or(UnixMillis::MAX, |at| at.max(self.model.now));
                assert!(next <= owed, "{verb:?}: the lane sleeps till {next}, past {owed}: {message:?}");
            }
        }
    }
}
