//! Why a message lacked a permit, cause by cause.

use std::time::Duration;

use hongyan_wechat::Errcode;

use super::*;
use crate::ids::{IdMaker, MessageId, PermitId};
use crate::lane::Lane;
use crate::message::{Channel, PermitPolicy, ReasonCode};
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

    /// A form, granted at this second.
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

    /// A subscription counter of so many units, granted at this second.
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

    fn trace(&mut self, permit: PermitId, change: PermitChange) -> MessageId {
        let message = self.message();
        self.traces.push(Trace { permit, message: Some(message), change });
        message
    }

    fn spend(&mut self, permit: PermitId, from: u64, until: u64) -> MessageId {
        assert!(self.units(permit).spend());
        self.trace(permit, PermitChange::Spent { from: at(from), at: at(until) })
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
    let finder = world.trace(void, PermitChange::FoundVoid { at: at(60), errcode: Errcode(41_028) });
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
    // The permit will have expired only at the time for which it was to be reserved.
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
        world.trace(counter, PermitChange::Keeps { from: at(50), held: true, state: MessageState::Unknown });
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
    // A permit that WeChat called void only later was already used up then.
    let mut world = World::new(Channel::Legacy);
    let form = world.form(0);
    world.units(form).revoke_rest();
    let keeper = world.trace(form, PermitChange::FoundVoid { at: at(500), errcode: Errcode(41_028) });
    let because = world.explain();
    assert_eq!((because[0].code, because[0].message), (B::Reserved, Some(keeper)));
    // For a counter that was granted units since, this does not follow.
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
    assert_eq!(world.subject.moment(at(1000)), Some(at(1000)), "a message that waits lacks a permit now");
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
    // Later changes of that message do not matter.
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
        world.trace(counter, PermitChange::FoundVoid { at: at(50), errcode: Errcode(43_101) });
        assert_eq!(world.codes(), [B::Revoked], "{kind}");
        // Units were granted after the failure; the permit was revoked all the same.
        world.units(counter).grant(1, kind.is_unlimited());
        world.permits[0].granted_at = at(300);
        assert_eq!(world.codes(), [B::Revoked], "{kind}");
        // Even without a trace of who found out, the counts show that the permit was revoked.
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
    world.trace(counter, PermitChange::FoundVoid { at: at(10), errcode: Errcode(43_101) });
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
    assert_eq!(world.codes(), [B::OwnPermitUsed], "another form would not help the message");
    let errcode = Errcode(41_028);
    world.traces.push(Trace {
        permit: form,
        message: Some(world.subject.id),
        change: PermitChange::FoundVoid { at: at(100), errcode },
    });
    let because = world.explain();
    assert_eq!((because[0].code, because[0].errcode), (B::Revoked, Some(errcode)));
}

#[test]
fn only_what_lacked_a_permit_is_explained_by_permits() {
    let mut world = World::new(Channel::Legacy);
    world.subject.state = MessageState::Expired;
    world.subject.reason = Some(ReasonCode::DeadlinePassed);
    assert_eq!(world.subject.moment(at(1000)), None, "it required a permit, and would have failed");
    world.subject.policy = PermitPolicy::Wait;
    assert_eq!(world.subject.moment(at(1000)), Some(at(100)));
    world.subject.errcode = Some(Errcode(-1));
    assert_eq!(world.subject.moment(at(1000)), None, "it had a permit, and WeChat was busy");
    world.subject.errcode = None;
    world.subject.reason = Some(ReasonCode::WechatRefused);
    assert_eq!(world.subject.moment(at(1000)), None);
}
