//! Properties of all rules together, over any sequence of events. A user's permits and messages are kept in memory and moved
//! only by the functions of this crate; after each step every invariant is checked.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, TemplateId};
use proptest::prelude::*;

use crate::gate::AppGate;
use crate::ids::IdMaker;
use crate::permit::{FORM_LIFETIME, choose};
use crate::resolve::{Verdict, resolve};
use crate::settle::{Effects, InFlight, Next, Outcome, PermitInUse, settle};
use crate::start::{Candidate, Start, start};
use crate::units::Totals;
use crate::units::UnitEffect;
use crate::{Channel, Lane, MessageState as S, OnUnknown, Permit, PermitKind, PermitPolicy, Units};

#[derive(Debug, Clone)]
enum Event {
    Grant {
        kind: PermitKind,
        count: u32,
    },
    Accept {
        channel: Channel,
        policy: PermitPolicy,
        on_unknown: OnUnknown,
        wait_s: u64,
        patience_s: Option<u64>,
        reserve: bool,
    },
    /// The timer of a message rings.
    Ring(prop::sample::Index),
    /// WeChat answers, or does not answer, or was not reached.
    End(Outcome),
    /// The process dies and the next one finds what was in flight.
    Crash,
    Cancel(prop::sample::Index),
    /// An operator says what became of a message.
    Resolve(prop::sample::Index, Verdict),
    /// The user withdraws a right.
    Withdraw(prop::sample::Index),
    Pass {
        seconds: u64,
    },
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let errcodes = prop_oneof![
        3 => Just(0),
        1 => prop::sample::select(vec![
            -1, 43101, 41028, 41029, 41030, 47003, 43108, 45009, 45011, 40001, 40013, 50007, 99999,
        ]),
    ];
    prop_oneof![
        5 => errcodes.prop_map(|code| Outcome::answered(Errcode(code), "")),
        1 => Just(Outcome::NotSent { why: String::new() }),
        2 => Just(Outcome::Unanswered { why: String::new() }),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let kinds = prop::sample::select(PermitKind::ALL.to_vec());
    let channels = prop::sample::select(vec![Channel::Legacy, Channel::Subscribe]);
    let policies = prop::sample::select(vec![PermitPolicy::Require, PermitPolicy::Wait, PermitPolicy::Try]);
    let on_unknowns = prop::sample::select(vec![OnUnknown::Hold, OnUnknown::Resend]);
    let waits = prop::sample::select(vec![0, 0, 60, 8 * 86_400]);
    let patiences = prop::option::of(prop::sample::select(vec![1, 600, 86_400]));
    prop_oneof![
        3 => (kinds, 1..4_u32).prop_map(|(kind, count)| Event::Grant { kind, count }),
        4 => (channels, policies, on_unknowns, waits, patiences, any::<bool>()).prop_map(
            |(channel, policy, on_unknown, wait_s, patience_s, reserve)| Event::Accept {
                channel,
                policy,
                on_unknown,
                wait_s,
                patience_s,
                reserve,
            }
        ),
        6 => any::<prop::sample::Index>().prop_map(Event::Ring),
        6 => outcomes().prop_map(Event::End),
        1 => Just(Event::Crash),
        1 => any::<prop::sample::Index>().prop_map(Event::Cancel),
        2 => (any::<prop::sample::Index>(), prop::sample::select(Verdict::ALL.to_vec()))
            .prop_map(|(index, verdict)| Event::Resolve(index, verdict)),
        1 => any::<prop::sample::Index>().prop_map(Event::Withdraw),
        2 => prop::sample::select(vec![1, 60, 3600, 86_400, 5 * 86_400])
            .prop_map(|seconds| Event::Pass { seconds }),
    ]
}

struct Message {
    channel: Channel,
    policy: PermitPolicy,
    on_unknown: OnUnknown,
    send_at: UnixMillis,
    deadline: Option<UnixMillis>,
    state: S,
    /// The permit's index in the model's list.
    permit: Option<usize>,
    held: bool,
    maybe_delivered: bool,
    attempt: u32,
    /// How many units were spent for this message.
    spent: u32,
}

impl Message {
    fn enter(&mut self, state: S) {
        assert!(self.state == state || self.state.may_become(state), "{} to {state}", self.state);
        self.state = state;
    }
}

/// One user.
struct Model {
    ids: IdMaker,
    now: UnixMillis,
    permits: Vec<Permit>,
    messages: Vec<Message>,
}

impl Model {
    fn new() -> Self {
        let now = UnixMillis(1_790_000_000_000);
        Self { ids: IdMaker::new(), now, permits: Vec::new(), messages: Vec::new() }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Grant { kind, count } => self.grant(kind, count),
            Event::Accept { channel, policy, on_unknown, wait_s, patience_s, reserve } => {
                let send_at = self.now.plus(Duration::from_secs(wait_s));
                self.messages.push(Message {
                    channel,
                    policy,
                    on_unknown,
                    send_at,
                    deadline: patience_s.map(|seconds| send_at.plus(Duration::from_secs(seconds))),
                    state: S::Scheduled,
                    permit: None,
                    held: false,
                    maybe_delivered: false,
                    attempt: 0,
                    spent: 0,
                });
                let place = self.messages.len() - 1;
                if reserve && self.in_flight().is_none() {
                    self.reserve(place);
                }
                self.turn(place);
            }
            Event::Ring(index) if !self.messages.is_empty() => self.turn(index.index(self.messages.len())),
            Event::End(outcome) => self.end(&outcome),
            Event::Crash => self.end(&Outcome::Unanswered { why: "the process died".into() }),
            Event::Cancel(index) if !self.messages.is_empty() => {
                let place = index.index(self.messages.len());
                let message = &self.messages[place];
                if message.state.is_withdrawable(message.maybe_delivered) {
                    self.release(place);
                    self.messages[place].enter(S::Cancelled);
                }
            }
            Event::Resolve(index, verdict) if !self.messages.is_empty() => {
                self.resolve(index.index(self.messages.len()), verdict);
            }
            // WeChat's answer decides about the unit of a message in flight, so withdraw only while no message is in flight.
            Event::Withdraw(index) if !self.permits.is_empty() && self.in_flight().is_none() => {
                let place = index.index(self.permits.len());
                self.permits[place].units.revoke_rest();
            }
            Event::Pass { seconds } => self.now = self.now.plus(Duration::from_secs(seconds)),
            Event::Ring(_) | Event::Cancel(_) | Event::Resolve(..) | Event::Withdraw(_) => {}
        }
    }

    fn template(channel: Channel) -> TemplateId {
        match channel {
            Channel::Legacy => "legacy".parse().unwrap(),
            Channel::Subscribe => "subscribe".parse().unwrap(),
        }
    }

    fn grant(&mut self, kind: PermitKind, count: u32) {
        let (now, unlimited) = (self.now, kind.is_unlimited());
        if !kind.has_code()
            && let Some(counter) = self.permits.iter_mut().find(|permit| permit.kind == kind)
        {
            counter.units.grant(count, unlimited);
            return;
        }
        let count = if kind == PermitKind::Form { 1 } else { count };
        self.permits.push(Permit {
            id: self.ids.permit(Lane::new(0).unwrap(), now),
            kind,
            template: (!kind.has_code()).then(|| Self::template(Channel::Subscribe)),
            code: kind.has_code().then(|| format!("code{}", self.permits.len())),
            units: if unlimited { Units::unlimited() } else { Units::granted(count) },
            granted_at: now,
            expires_at: kind.has_code().then(|| now.plus(FORM_LIFETIME)),
        });
    }

    fn in_flight(&self) -> Option<usize> {
        self.messages.iter().position(|message| message.state == S::Sending)
    }

    fn choose(&self, channel: Channel) -> Option<usize> {
        let chosen = choose(&self.permits, channel, &Self::template(channel), self.now)?.id;
        self.permits.iter().position(|permit| permit.id == chosen)
    }

    fn reserve(&mut self, place: usize) {
        if let Some(permit) = self.choose(self.messages[place].channel) {
            assert!(self.permits[permit].units.hold(), "what was chosen has a unit");
            (self.messages[place].permit, self.messages[place].held) = (Some(permit), true);
        }
    }

    fn release(&mut self, place: usize) {
        let message = &mut self.messages[place];
        if message.held {
            let permit = message.permit.take().expect("a message that holds a unit names its permit");
            assert!(self.permits[permit].units.release(), "what is held can be released");
            message.held = false;
        }
    }

    fn turn(&mut self, place: usize) {
        let message = &self.messages[place];
        if !message.state.is_cancellable() {
            return;
        }
        let holds = message.permit.filter(|_| message.held).filter(|&permit| {
            message.maybe_delivered || self.permits[permit].expires_at.is_none_or(|end| self.now < end)
        });
        let chosen = holds.or_else(|| self.choose(message.channel));
        let candidate = Candidate {
            send_at: message.send_at,
            deadline: message.deadline,
            policy: message.policy,
            maybe_delivered: message.maybe_delivered,
            gate: AppGate::Open,
            user_busy: self.in_flight().is_some(),
            permit: chosen.map(|permit| self.permits[permit].id),
        };
        match start(&candidate, true, self.now) {
            Start::Send { .. } => {
                if holds.is_none() {
                    self.release(place);
                }
                let message = &mut self.messages[place];
                if let Some(permit) = chosen.filter(|_| !message.held) {
                    assert!(self.permits[permit].units.spend(), "what was chosen has a unit");
                }
                message.permit = chosen;
                message.attempt += 1;
                message.enter(S::Sending);
            }
            Start::Later { state, .. } => {
                if state == S::Waiting {
                    self.release(place);
                }
                self.messages[place].enter(state);
            }
            Start::End { state, .. } => {
                if state != S::Unknown {
                    self.release(place);
                }
                self.messages[place].enter(state);
            }
        }
    }

    /// Ends the attempt in flight, if there is one.
    fn end(&mut self, outcome: &Outcome) {
        let Some(place) = self.in_flight() else { return };
        let message = &self.messages[place];
        let in_flight = InFlight {
            attempt: message.attempt,
            permit: message.permit.map(|permit| PermitInUse {
                kind: self.permits[permit].kind,
                granted: self.permits[permit].units.granted,
                held: message.held,
            }),
            on_unknown: message.on_unknown,
            maybe_delivered: message.maybe_delivered,
        };
        let effects = settle(&in_flight, outcome, self.now, 0.5);
        self.messages[place].maybe_delivered = effects.maybe_delivered;
        self.apply_unit(place, effects.unit);
        self.apply_next(place, &effects);
    }

    fn apply_unit(&mut self, place: usize, unit: UnitEffect) {
        let message = &mut self.messages[place];
        let Some(permit) = message.permit else { return };
        let units = &mut self.permits[permit].units;
        assert!(units.settle(unit, message.held), "the unit in use is there");
        message.spent += u32::from(unit == UnitEffect::Spend);
        message.held = unit == UnitEffect::Hold;
    }

    /// An operator says what became of a message. An operator decides only about messages of unknown outcome.
    fn resolve(&mut self, place: usize, verdict: Verdict) {
        let message = &mut self.messages[place];
        if message.state != S::Unknown {
            return;
        }
        let resolution = resolve(verdict, message.deadline, self.now);
        message.maybe_delivered = false;
        if message.held {
            self.apply_unit(place, resolution.unit);
        }
        let message = &mut self.messages[place];
        if !message.held && message.spent == 0 {
            message.permit = None;
        }
        message.enter(resolution.state);
    }

    fn apply_next(&mut self, place: usize, effects: &Effects) {
        let message = &mut self.messages[place];
        if !message.held && !matches!(effects.next, Next::Sent) {
            message.permit = None;
        }
        match effects.next {
            Next::Sent => message.enter(S::Sent),
            Next::Failed(_) => message.enter(S::Failed),
            Next::Unknown => message.enter(S::Unknown),
            Next::Retry { .. } => message.enter(S::Ready),
            Next::Replace => {
                let (channel, policy) = (message.channel, message.policy);
                let next = match (self.choose(channel), policy) {
                    (Some(_), _) => S::Ready,
                    (None, PermitPolicy::Wait) => S::Waiting,
                    (None, _) => S::Failed,
                };
                self.messages[place].enter(next);
            }
        }
    }

    fn audit(&self) {
        let mut sum = Totals::default();
        for (place, permit) in self.permits.iter().enumerate() {
            let named_by = |message: &&Message| message.permit == Some(place);
            let in_flight =
                self.messages.iter().filter(named_by).filter(|m| m.state == S::Sending && !m.held).count();
            let totals = permit.totals(in_flight as u32, self.now);
            assert!(totals.balance(), "{permit:?}: {totals:?}");
            sum += totals;
            let held = self.messages.iter().filter(named_by).filter(|m| m.held).count();
            assert_eq!(permit.units.held as usize, held, "each held unit belongs to a message: {permit:?}");
            let spent: u32 = self.messages.iter().filter(named_by).map(|m| m.spent).sum();
            assert_eq!(totals.spent, spent, "each spent unit belongs to a message: {permit:?}");
        }
        assert!(sum.balance(), "{sum:?}");
        assert!(self.messages.iter().filter(|m| m.state == S::Sending).count() <= 1);
        for message in &self.messages {
            let expected = u32::from(message.state == S::Sent && message.permit.is_some());
            assert_eq!(
                message.spent, expected,
                "a message that was sent has spent one unit, any other message no unit"
            );
        }
    }
}

proptest! {
    /// The counts balance per permit and in sum; no unit is spent twice; a final state is never left; every move is allowed
    /// by the states.
    #[test]
    fn whatever_happens_the_units_add_up(events in prop::collection::vec(events(), 1..120)) {
        let mut model = Model::new();
        for event in events {
            model.step(event);
            model.audit();
        }
    }

    /// A message that the user may have already never fails for want of a permit, never expires and is never withdrawn, and
    /// it never goes out by another permit than the first time. Only WeChat or an operator end the doubt.
    #[test]
    fn a_message_in_doubt_stays_in_doubt_until_wechat_or_an_operator_says_otherwise(
        events in prop::collection::vec(events(), 1..120)
    ) {
        let mut model = Model::new();
        for event in events {
            let resolved = match &event {
                Event::Resolve(index, _) if !model.messages.is_empty() => {
                    Some(index.index(model.messages.len()))
                }
                _ => None,
            };
            let before: Vec<_> =
                model.messages.iter().map(|m| (m.maybe_delivered, m.permit, m.state)).collect();
            model.step(event);
            for (place, (message, (in_doubt, permit, state))) in model.messages.iter().zip(before).enumerate() {
                if resolved == Some(place) && state == S::Unknown {
                    prop_assert!(!message.maybe_delivered, "{state} became {}", message.state);
                } else if in_doubt && permit.is_some() {
                    prop_assert!(
                        matches!(message.state, S::Ready | S::Sending | S::Sent | S::Unknown),
                        "{} became {}", state, message.state
                    );
                    prop_assert!(message.permit.is_none_or(|now| Some(now) == permit));
                }
            }
        }
    }
}
