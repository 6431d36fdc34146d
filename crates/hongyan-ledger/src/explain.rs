//! Why a message found no permit, from what the ledger keeps anyway.
//!
//! Nothing is written down when a message fails for want of a permit: that would cost each message. What was true then
//! follows from the permits as they are now and from what the user's messages did with them, each with its time. Where
//! it does not follow (a counter that was granted to since, history that was removed) less is said, never more.

use std::cmp::Reverse;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, TemplateId};
use serde::{Deserialize, Serialize};

use crate::ids::{MessageId, PermitId};
use crate::message::{Channel, MessageState, PermitPolicy, ReasonCode};
use crate::permit::Permit;
use crate::settle::{MAX_DEAD_PERMITS, is_doubtful, is_permit_refusal};

/// A message, and all about it that tells whether and when it lacked a permit.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its id.
    pub id: MessageId,
    /// Which call.
    pub channel: Channel,
    /// Its template.
    pub template: TemplateId,
    /// Where it is.
    pub state: MessageState,
    /// Why.
    pub reason: Option<ReasonCode>,
    /// What it does without a permit.
    pub policy: PermitPolicy,
    /// It may use the permit that came with it and no other.
    pub own_permit: bool,
    /// When it is to go out.
    pub send_at: UnixMillis,
    /// When it came to where it is.
    pub updated_at: UnixMillis,
    /// WeChat's last word on it.
    pub errcode: Option<Errcode>,
}

impl Subject {
    /// The moment at which it lacked a permit: for one that waits, `now`. `None`: that is not what became of it.
    pub fn moment(&self, now: UnixMillis) -> Option<UnixMillis> {
        match (self.state, self.reason?) {
            (MessageState::Waiting, ReasonCode::NoPermit) => Some(now),
            (MessageState::Failed, ReasonCode::NoPermit) => Some(self.updated_at),
            // It may have waited for a permit until its deadline. What was tried had one, unless that was the trouble.
            (MessageState::Expired, ReasonCode::DeadlinePassed)
                if self.policy == PermitPolicy::Wait
                    && !self.own_permit
                    && self.errcode.is_none_or(is_permit_refusal) =>
            {
                Some(self.updated_at)
            }
            _ => None,
        }
    }
}

/// What one of the user's messages, or the user, did with a permit.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    /// Which permit.
    pub permit: PermitId,
    /// Which message; `None`: the user.
    pub message: Option<MessageId>,
    /// What.
    pub deed: Deed,
}

/// What may be done with a permit.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// It spent a unit.
    Spent {
        /// When the attempt that spent it began.
        from: UnixMillis,
        /// When that was known.
        at: UnixMillis,
    },
    /// It keeps a unit now: it is in flight, scheduled with its permit, or of unknown outcome.
    Keeps {
        /// Since when, at the latest.
        from: UnixMillis,
        /// By a stored count; `false`: only by being in flight.
        held: bool,
        /// Where that message is.
        state: MessageState,
    },
    /// WeChat told it that the permit is void; what was left was revoked.
    FoundVoid {
        /// When.
        at: UnixMillis,
        /// In which words.
        errcode: Errcode,
    },
    /// The user withdrew it, WeChat reported; what was left was revoked.
    Withdrawn {
        /// When.
        at: UnixMillis,
    },
}

/// Why there was no permit. Stable names: API clients branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BecauseCode {
    /// What was left is kept by another message.
    Reserved,
    /// WeChat said that the permit is void: the user withdrew it (43101, or an event), or its code is wrong or used (41028,
    /// 41029).
    Revoked,
    /// Its time was over, or will be when the message is due.
    Expired,
    /// All its units are spent.
    Spent,
    /// The permit that came with the message had been used before.
    OwnPermitUsed,
    /// The user had never been granted one that serves this template.
    NeverGranted,
    /// There was one, but for another template.
    OtherTemplate,
    /// There is one by now; it came too late for this message.
    GrantedLater,
    /// It tried as many permits as a message may, and WeChat called each of them void; it was not tried with the others.
    TooManyVoid,
}

impl BecauseCode {
    /// Every code.
    pub const ALL: [Self; 9] = [
        Self::Reserved,
        Self::Revoked,
        Self::Expired,
        Self::Spent,
        Self::OwnPermitUsed,
        Self::NeverGranted,
        Self::OtherTemplate,
        Self::GrantedLater,
        Self::TooManyVoid,
    ];
}

/// One cause, true of one or more permits. What it says beside their number is about the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// Which.
    pub code: BecauseCode,
    /// Of how many permits it is true.
    pub permits: u32,
    /// The permit of which that became true last.
    pub permit: Option<PermitId>,
    /// When: kept since, found void, expired, spent, granted.
    pub at: Option<UnixMillis>,
    /// The message that keeps or spent it, or found it void.
    pub message: Option<MessageId>,
    /// Where the message is that keeps it.
    pub message_state: Option<MessageState>,
    /// WeChat's word on it.
    pub errcode: Option<Errcode>,
    /// The template that it is for.
    pub template: Option<TemplateId>,
}

impl Because {
    /// A cause of which nothing more is known.
    pub const fn only(code: BecauseCode) -> Self {
        Self {
            code,
            permits: 0,
            permit: None,
            at: None,
            message: None,
            message_state: None,
            errcode: None,
            template: None,
        }
    }
}

/// Why this message lacked a permit at `moment`: what is nearest at hand first. `permits` and `traces` are all of the
/// user's. Empty: the ledger does not show it (any more).
pub fn explain(subject: &Subject, permits: &[Permit], traces: &[Trace], moment: UnixMillis) -> Vec<Because> {
    if subject.own_permit {
        return vec![of_own_permit(subject, traces)];
    }
    let mut causes: Vec<Because> = Vec::new();
    let mut was_granted = false;
    for permit in permits.iter().filter(|permit| permit.kind.channel() == subject.channel) {
        let then = Then::of(permit, traces, moment);
        let fits = permit.template.as_ref().is_none_or(|own| *own == subject.template);
        was_granted |= fits && then.was_there;
        let cause = if fits {
            then.cause(subject.send_at.max(moment))
        } else {
            then.was_usable(moment).then(|| Because {
                at: Some(permit.granted_at),
                template: permit.template.clone(),
                ..Because::only(BecauseCode::OtherTemplate)
            })
        };
        if let Some(cause) = cause {
            add(&mut causes, Because { permits: 1, permit: Some(permit.id), ..cause });
        }
    }
    if !was_granted {
        causes.push(Because::only(BecauseCode::NeverGranted));
    }
    causes.extend(gave_up(subject, traces));
    // Who keeps a unit may still give it back, so that comes first; then what happened last.
    causes.sort_by_key(|cause| {
        let rank = match cause.code {
            BecauseCode::TooManyVoid | BecauseCode::Reserved => 0,
            BecauseCode::Revoked | BecauseCode::Expired | BecauseCode::Spent => 1,
            BecauseCode::OwnPermitUsed | BecauseCode::NeverGranted => 2,
            BecauseCode::OtherTemplate => 3,
            BecauseCode::GrantedLater => 4,
        };
        (rank, Reverse(cause.at), cause.code)
    });
    causes
}

/// A message that may use nothing but what it brought: either WeChat did not take that, or it was used already.
fn of_own_permit(subject: &Subject, traces: &[Trace]) -> Because {
    let own = traces.iter().rev().find_map(|trace| match trace.deed {
        Deed::FoundVoid { at, errcode } if trace.message == Some(subject.id) => {
            Some((trace.permit, at, errcode))
        }
        _ => None,
    });
    match own {
        Some((permit, at, errcode)) => Because {
            permits: 1,
            permit: Some(permit),
            at: Some(at),
            message: Some(subject.id),
            errcode: Some(errcode),
            ..Because::only(BecauseCode::Revoked)
        },
        None => Because::only(BecauseCode::OwnPermitUsed),
    }
}

/// A message that tried as many permits as it may, all of them void.
fn gave_up(subject: &Subject, traces: &[Trace]) -> Option<Because> {
    let own = |trace: &&Trace| trace.message == Some(subject.id);
    let void = traces.iter().filter(own).filter_map(|trace| match trace.deed {
        Deed::FoundVoid { at, errcode } => Some((trace.permit, at, errcode)),
        _ => None,
    });
    let found: Vec<_> = void.collect();
    // As `replace` counts: those that it tried last.
    let in_a_row = found.iter().rev().take_while(|(.., errcode)| is_doubtful(*errcode)).count() as u32;
    let &(permit, at, errcode) = found.last()?;
    (subject.state == MessageState::Failed && in_a_row >= MAX_DEAD_PERMITS).then(|| Because {
        permits: in_a_row,
        permit: Some(permit),
        at: Some(at),
        message: Some(subject.id),
        errcode: Some(errcode),
        ..Because::only(BecauseCode::TooManyVoid)
    })
}

/// Adds a cause to those of the same kind; the later one speaks for both.
fn add(causes: &mut Vec<Because>, new: Because) {
    let same = |cause: &&mut Because| cause.code == new.code && cause.template == new.template;
    match causes.iter_mut().find(same) {
        None => causes.push(new),
        Some(cause) => {
            let permits = cause.permits + 1;
            if new.at > cause.at {
                *cause = new;
            }
            cause.permits = permits;
        }
    }
}

/// One permit as it was at the moment in question.
struct Then<'a> {
    permit: &'a Permit,
    /// It had been granted by then.
    was_there: bool,
    /// Units came to it later, so that today's counts say nothing about then.
    granted_to_since: bool,
    /// The last time until then that WeChat called it void, unless it was granted to after that.
    void: Option<(Option<MessageId>, UnixMillis, Option<Errcode>)>,
    /// WeChat called it void only later.
    void_later: bool,
    /// The last message that had spent a unit of it.
    spent: Option<(Option<MessageId>, UnixMillis)>,
    /// Units of it were spent only later.
    spent_later: bool,
    /// A message that kept a unit of it, since when, and where it is if it keeps it still.
    kept: Option<(Option<MessageId>, UnixMillis, Option<MessageState>)>,
    /// Units of it are kept now that were not then.
    kept_later: bool,
    /// How many of its units are in flight now, without a stored hold.
    in_flight: u32,
}

impl<'a> Then<'a> {
    fn of(permit: &'a Permit, traces: &[Trace], moment: UnixMillis) -> Self {
        // A code is granted once. A counter has the time of its last grant, and in its id that of its first.
        let granted_to_since = permit.granted_at > moment;
        let first_granted = if permit.code.is_some() { permit.granted_at } else { permit.id.made_at() };
        let mut then = Self {
            permit,
            was_there: first_granted.min(permit.granted_at) <= moment,
            granted_to_since,
            void: None,
            void_later: false,
            spent: None,
            spent_later: false,
            kept: None,
            kept_later: false,
            in_flight: 0,
        };
        for Trace { message, deed, .. } in traces.iter().filter(|trace| trace.permit == permit.id) {
            match *deed {
                Deed::FoundVoid { at, errcode } if at <= moment => {
                    then.is_void(*message, at, Some(errcode), moment);
                }
                Deed::Withdrawn { at } if at <= moment => then.is_void(*message, at, None, moment),
                // It shows that something was left until then, which our message did not get.
                Deed::Withdrawn { .. } => then.void_later = true,
                // What happened to it only later shows that it was there. Our message did not get it, so the other one
                // had it already. For a counter to which units came later that does not follow; there it must have
                // been in flight.
                Deed::FoundVoid { .. } => {
                    then.void_later = true;
                    if !granted_to_since {
                        then.keep(*message, moment, None);
                    }
                }
                Deed::Spent { at, .. } if at <= moment => {
                    if then.spent.is_none_or(|(_, last)| last < at) {
                        then.spent = Some((*message, at));
                    }
                }
                Deed::Spent { from, .. } => {
                    then.spent_later = true;
                    if !granted_to_since || from <= moment {
                        then.keep(*message, from.min(moment), None);
                    }
                }
                Deed::Keeps { from, held, state } => {
                    then.in_flight += u32::from(!held);
                    if from <= moment {
                        then.keep(*message, from, Some(state));
                    } else {
                        then.kept_later = true;
                    }
                }
            }
        }
        then
    }

    /// It was called void then, unless it was granted to since.
    fn is_void(
        &mut self,
        message: Option<MessageId>,
        at: UnixMillis,
        errcode: Option<Errcode>,
        moment: UnixMillis,
    ) {
        let opened_again = self.permit.granted_at > at && self.permit.granted_at <= moment;
        if !opened_again && self.void.is_none_or(|(_, last, _)| last < at) {
            self.void = Some((message, at, errcode));
        }
    }

    fn keep(&mut self, message: Option<MessageId>, from: UnixMillis, state: Option<MessageState>) {
        // One that keeps it still can be looked at, and resolved.
        let rank = |state: Option<MessageState>, from| (state.is_some(), from);
        if self.kept.is_none_or(|(_, last, before)| rank(before, last) <= rank(state, from)) {
            self.kept = Some((message, from, state));
        }
    }

    /// How many units nobody had then or has had since, if that can be known.
    fn free(&self) -> Option<u32> {
        // Before the beginning of time nothing has expired.
        let free = self.permit.totals(self.in_flight, UnixMillis(i64::MIN)).available;
        (!self.granted_to_since).then_some(free)
    }

    /// By then; without a trace of who found out and when, as far as today's counts tell.
    fn was_revoked(&self) -> bool {
        let units = &self.permit.units;
        let lost = units.revoked > 0 || self.permit.kind.is_unlimited() && !units.unlimited;
        self.void.is_some() || !self.granted_to_since && !self.void_later && lost
    }

    /// Whether it would have served a message of its own template.
    fn was_usable(&self, moment: UnixMillis) -> bool {
        let came_to_light = self.spent_later || self.kept_later || self.void_later;
        let had_units = || came_to_light || self.free().is_some_and(|free| free > 0);
        self.was_there
            && !self.was_revoked()
            && self.permit.expires_at.is_none_or(|end| moment < end)
            && (self.permit.kind.is_unlimited() || had_units())
    }

    /// Why it did not serve, though it is for the right template. `needed` is when it had to be good.
    fn cause(&self, needed: UnixMillis) -> Option<Because> {
        if !self.was_there {
            let at = Some(self.permit.granted_at);
            return Some(Because { at, ..Because::only(BecauseCode::GrantedLater) });
        }
        if let Some((message, at, errcode)) = self.void {
            return Some(Because { at: Some(at), message, errcode, ..Because::only(BecauseCode::Revoked) });
        }
        let is_left = self.kept.is_some() || self.free().is_some_and(|free| free > 0);
        if let Some(end) = self.permit.expires_at.filter(|&end| end <= needed && is_left) {
            return Some(Because { at: Some(end), ..Because::only(BecauseCode::Expired) });
        }
        if let Some((message, from, message_state)) = self.kept {
            return Some(Because {
                at: Some(from),
                message,
                message_state,
                ..Because::only(BecauseCode::Reserved)
            });
        }
        if let Some((message, at)) = self.spent {
            return Some(Because { at: Some(at), message, ..Because::only(BecauseCode::Spent) });
        }
        if self.was_revoked() {
            return Some(Because::only(BecauseCode::Revoked));
        }
        (self.permit.units.spent > 0).then_some(Because::only(BecauseCode::Spent))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ids::IdMaker;
    use crate::lane::Lane;
    use crate::permit::{FORM_LIFETIME, PermitKind};
    use crate::units::Units;

    const START: UnixMillis = UnixMillis(1_790_000_000_000);

    fn at(seconds: u64) -> UnixMillis {
        START.plus(Duration::from_secs(seconds))
    }

    struct World {
        ids: IdMaker,
        subject: Subject,
        permits: Vec<Permit>,
        traces: Vec<Trace>,
    }

    impl World {
        /// A message that failed for want of a permit after 100 seconds.
        fn new(channel: Channel) -> Self {
            let ids = IdMaker::new();
            let subject = Subject {
                id: ids.message(Lane::new(0).unwrap(), at(100)),
                channel,
                template: "wanted".parse().unwrap(),
                state: MessageState::Failed,
                reason: Some(ReasonCode::NoPermit),
                policy: PermitPolicy::Require,
                own_permit: false,
                send_at: at(100),
                updated_at: at(100),
                errcode: None,
            };
            Self { ids, subject, permits: Vec::new(), traces: Vec::new() }
        }

        fn message(&self) -> MessageId {
            self.ids.message(Lane::new(0).unwrap(), START)
        }

        /// A form, granted then.
        fn form(&mut self, granted_at: u64) -> PermitId {
            let id = self.ids.permit(Lane::new(0).unwrap(), at(granted_at));
            self.permits.push(Permit {
                id,
                kind: PermitKind::Form,
                template: None,
                code: Some(id.to_string()),
                units: Units::granted(1),
                granted_at: at(granted_at),
                expires_at: Some(at(granted_at).plus(FORM_LIFETIME)),
            });
            id
        }

        /// A subscription counter of so many units, granted then.
        fn counter(&mut self, template: &str, count: u32, granted_at: u64) -> PermitId {
            let id = self.form(granted_at);
            let permit = self.permits.last_mut().unwrap();
            (permit.kind, permit.code, permit.expires_at) = (PermitKind::SubscribeOnce, None, None);
            (permit.template, permit.units) = (Some(template.parse().unwrap()), Units::granted(count));
            id
        }

        fn units(&mut self, permit: PermitId) -> &mut Units {
            &mut self.permits.iter_mut().find(|known| known.id == permit).unwrap().units
        }

        fn trace(&mut self, permit: PermitId, deed: Deed) -> MessageId {
            let message = self.message();
            self.traces.push(Trace { permit, message: Some(message), deed });
            message
        }

        fn spend(&mut self, permit: PermitId, from: u64, until: u64) -> MessageId {
            assert!(self.units(permit).spend());
            self.trace(permit, Deed::Spent { from: at(from), at: at(until) })
        }

        fn explain(&self) -> Vec<Because> {
            let moment = self.subject.moment(at(1000)).unwrap();
            explain(&self.subject, &self.permits, &self.traces, moment)
        }

        fn codes(&self) -> Vec<BecauseCode> {
            self.explain().into_iter().map(|because| because.code).collect()
        }
    }

    use BecauseCode as B;

    #[test]
    fn a_user_without_permits_was_never_granted_one() {
        assert_eq!(World::new(Channel::Legacy).codes(), [B::NeverGranted]);
        let mut world = World::new(Channel::Legacy);
        world.counter("wanted", 3, 0);
        assert_eq!(world.codes(), [B::NeverGranted], "a subscription does not serve a template message");
    }

    #[test]
    fn what_was_spent_names_the_last_that_spent_it() {
        let mut world = World::new(Channel::Legacy);
        let (first, second) = (world.form(0), world.form(1));
        world.spend(first, 10, 11);
        let last = world.spend(second, 20, 21);
        let because = world.explain();
        assert_eq!(because.len(), 1);
        assert_eq!((because[0].code, because[0].permits), (B::Spent, 2));
        assert_eq!((because[0].message, because[0].at), (Some(last), Some(at(21))));
        assert_eq!(because[0].permit, Some(second));
    }

    #[test]
    fn what_happened_last_comes_first() {
        let mut world = World::new(Channel::Legacy);
        let spent = world.form(0);
        world.spend(spent, 50, 51);
        let void = world.form(0);
        world.units(void).revoke_rest();
        let finder = world.trace(void, Deed::FoundVoid { at: at(60), errcode: Errcode(41_028) });
        let because = world.explain();
        assert_eq!((because[0].code, because[0].message), (B::Revoked, Some(finder)));
        assert_eq!(because[0].errcode, Some(Errcode(41_028)));
        assert_eq!(because[1].code, B::Spent);
    }

    #[test]
    fn what_was_left_when_its_time_was_over_expired_and_what_was_spent_did_not() {
        let mut world = World::new(Channel::Legacy);
        world.form(0);
        let spent = world.form(0);
        world.spend(spent, 1, 2);
        let late = FORM_LIFETIME.as_secs() + 5;
        (world.subject.send_at, world.subject.updated_at) = (at(late), at(late));
        let because = world.explain();
        assert_eq!((because[0].code, because[0].permits), (B::Expired, 1));
        assert_eq!(because[0].at, Some(START.plus(FORM_LIFETIME)));
        assert_eq!(because[1].code, B::Spent);
        // Also when it only will be over at the time for which it was to be reserved.
        world.subject.updated_at = at(100);
        assert_eq!(world.codes()[0], B::Expired);
    }

    #[test]
    fn a_unit_that_another_message_keeps_is_reserved() {
        let mut world = World::new(Channel::Subscribe);
        let counter = world.counter("wanted", 2, 0);
        world.spend(counter, 10, 11);
        assert!(world.units(counter).hold());
        let keeper =
            world.trace(counter, Deed::Keeps { from: at(50), held: true, state: MessageState::Unknown });
        let because = world.explain();
        assert_eq!((because[0].code, because[0].message), (B::Reserved, Some(keeper)));
        assert_eq!(because[0].message_state, Some(MessageState::Unknown));
    }

    #[test]
    fn what_was_spent_only_later_was_kept_at_the_time() {
        let mut world = World::new(Channel::Legacy);
        let form = world.form(0);
        let keeper = world.spend(form, 500, 501);
        let because = world.explain();
        assert_eq!((because[0].code, because[0].message), (B::Reserved, Some(keeper)));
        // So was what turned out to be void only later.
        let mut world = World::new(Channel::Legacy);
        let form = world.form(0);
        world.units(form).revoke_rest();
        let keeper = world.trace(form, Deed::FoundVoid { at: at(500), errcode: Errcode(41_028) });
        let because = world.explain();
        assert_eq!((because[0].code, because[0].message), (B::Reserved, Some(keeper)));
        // Of a counter that was granted to later that does not follow.
        let mut world = World::new(Channel::Subscribe);
        let counter = world.counter("wanted", 2, 0);
        let first = world.spend(counter, 10, 11);
        world.permits[0].granted_at = at(200);
        world.spend(counter, 500, 501);
        let because = world.explain();
        assert_eq!((because[0].code, because[0].message), (B::Spent, Some(first)));
    }

    #[test]
    fn a_permit_that_came_too_late_is_told_apart_from_none() {
        let mut world = World::new(Channel::Legacy);
        world.form(200);
        let because = world.explain();
        assert_eq!((because[0].code, because[1].code), (B::NeverGranted, B::GrantedLater));
        assert_eq!(because[1].at, Some(at(200)));
        world.subject.state = MessageState::Waiting;
        assert_eq!(world.subject.moment(at(1000)), Some(at(1000)), "one that waits is about now");
    }

    #[test]
    fn permits_for_other_templates_are_named_while_they_are_good() {
        let mut world = World::new(Channel::Subscribe);
        world.counter("other", 1, 0);
        let used_up = world.counter("used-up", 1, 0);
        world.spend(used_up, 1, 2);
        let because = world.explain();
        assert_eq!(world.codes(), [B::NeverGranted, B::OtherTemplate]);
        assert_eq!(because[1].template, Some("other".parse().unwrap()));
        // What became of it since does not matter.
        let other = world.permits[0].id;
        world.spend(other, 200, 201);
        assert_eq!(world.codes(), [B::NeverGranted, B::OtherTemplate]);
        world.subject.updated_at = at(300);
        assert_eq!(world.codes(), [B::NeverGranted]);
    }

    #[test]
    fn a_withdrawn_subscription_is_revoked_until_it_is_granted_again() {
        for kind in [PermitKind::SubscribeOnce, PermitKind::SubscribeLongTerm] {
            let mut world = World::new(Channel::Subscribe);
            let counter = world.counter("wanted", 2, 0);
            if kind.is_unlimited() {
                (world.permits[0].kind, world.permits[0].units) = (kind, Units::unlimited());
            }
            world.units(counter).revoke_rest();
            world.trace(counter, Deed::FoundVoid { at: at(50), errcode: Errcode(43_101) });
            assert_eq!(world.codes(), [B::Revoked], "{kind}");
            // Granted again after the failure: it was revoked all the same.
            world.units(counter).grant(1, kind.is_unlimited());
            world.permits[0].granted_at = at(300);
            assert_eq!(world.codes(), [B::Revoked], "{kind}");
            // Without a trace of who found out, that it is revoked is still to be seen.
            world.permits[0].granted_at = START;
            world.traces.clear();
            world.units(counter).revoke_rest();
            let because = world.explain();
            assert_eq!((because[0].code, because[0].at), (B::Revoked, None), "{kind}");
        }
    }

    #[test]
    fn units_that_were_granted_again_and_spent_are_spent_not_revoked() {
        let mut world = World::new(Channel::Subscribe);
        let counter = world.counter("wanted", 1, 0);
        world.units(counter).revoke_rest();
        world.trace(counter, Deed::FoundVoid { at: at(10), errcode: Errcode(43_101) });
        world.units(counter).grant(1, false);
        world.permits[0].granted_at = at(20);
        let last = world.spend(counter, 30, 31);
        let because = world.explain();
        assert_eq!((because[0].code, because[0].message), (B::Spent, Some(last)));
    }

    #[test]
    fn a_message_that_brought_its_own_permit_is_told_about_that_one() {
        let mut world = World::new(Channel::Legacy);
        world.subject.own_permit = true;
        let form = world.form(0);
        assert_eq!(world.codes(), [B::OwnPermitUsed], "another form would not help it");
        let errcode = Errcode(41_028);
        world.traces.push(Trace {
            permit: form,
            message: Some(world.subject.id),
            deed: Deed::FoundVoid { at: at(100), errcode },
        });
        let because = world.explain();
        assert_eq!((because[0].code, because[0].errcode), (B::Revoked, Some(errcode)));
    }

    #[test]
    fn only_what_lacked_a_permit_is_explained_by_permits() {
        let mut world = World::new(Channel::Legacy);
        world.subject.state = MessageState::Expired;
        world.subject.reason = Some(ReasonCode::DeadlinePassed);
        assert_eq!(world.subject.moment(at(1000)), None, "it required one, and would have failed");
        world.subject.policy = PermitPolicy::Wait;
        assert_eq!(world.subject.moment(at(1000)), Some(at(100)));
        world.subject.errcode = Some(Errcode(-1));
        assert_eq!(world.subject.moment(at(1000)), None, "it had one, and WeChat was busy");
        world.subject.errcode = None;
        world.subject.reason = Some(ReasonCode::WechatRefused);
        assert_eq!(world.subject.moment(at(1000)), None);
    }
}
