//! The random verbs.

use hongyan_ledger::resolve::Verdict;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{OnUnknown, PermitKind, PermitPolicy};
use hongyan_wechat::Errcode;
use proptest::prelude::*;
use proptest::sample::{Index, select};

pub(super) const USERS: usize = 3;

/// A request to send a message.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) user: usize,
    pub(super) legacy: bool,
    pub(super) policy: PermitPolicy,
    pub(super) on_unknown: OnUnknown,
    pub(super) wait_s: u64,
    pub(super) patience_s: Option<u64>,
    pub(super) reserve: bool,
    /// The permit that comes with the message.
    pub(super) own: Option<Offer>,
    pub(super) key: Option<u8>,
    pub(super) collapse: Option<u8>,
    pub(super) room: bool,
}

/// A permit with a code. There are few codes, so that some are granted twice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    pub(super) kind: PermitKind,
    pub(super) count: u32,
    pub(super) code: u8,
}

/// An event that WeChat pushes about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// The user accepted the template of subscribe messages.
    Accepted,
    /// The user withdrew from subscribe messages.
    Withdrawn,
    /// The result of a subscribe message.
    Report(Errcode),
}

#[derive(Debug, Clone)]
pub(super) enum Verb {
    /// Several grants in one call.
    Grant {
        user: usize,
        permits: Vec<Offer>,
    },
    /// Several messages in one call.
    Accept(Vec<Wish>),
    Claim {
        user: usize,
        limit: u32,
    },
    Settle {
        which: Index,
        outcome: Outcome,
        room: bool,
        /// If the outcome pauses the app: the pause ends before the outcome is stored.
        is_resumed: bool,
    },
    /// An open message, if there is one; otherwise any message.
    Cancel {
        which: Index,
        is_open: bool,
    },
    /// A verdict on a message of unknown outcome.
    Resolve {
        which: Index,
        verdict: Verdict,
    },
    /// WeChat pushes an event, which is mostly worked on at once.
    Receive {
        user: usize,
        push: Push,
        at_once: bool,
    },
    /// Works on the due events of the user's lane.
    Work {
        user: usize,
    },
    /// The process dies: its successor acquires all lanes, and settles what was in flight.
    Crash,
    /// The same for the lane of one user.
    Lose {
        user: usize,
    },
    Reopen,
    Pause(Option<u64>),
    /// WeChat does not answer: the app's breaker opens, and its next probe is after so many seconds.
    Outage(u64),
    /// A look whether a probe is due.
    Probe,
    Resume,
    Pass(u64),
}

/// Answers that do not pause the app.
fn outcomes() -> impl Strategy<Value = Outcome> {
    let errcodes = prop_oneof![
        4 => Just(0),
        3 => select(vec![-1, 43101, 41028, 41029, 47003, 43108]),
    ];
    prop_oneof![
        6 => errcodes.prop_map(|code| Outcome::answered(Errcode(code), "")),
        1 => Just(Outcome::NotSent { why: String::new() }),
        2 => Just(Outcome::Unanswered { why: String::new() }),
    ]
}

/// Answers that pause the app.
fn pausing() -> impl Strategy<Value = Outcome> {
    select(vec![45009, 45011, 40001, 40125]).prop_map(|code| Outcome::answered(Errcode(code), ""))
}

fn settles<O: Strategy<Value = Outcome>>(outcomes: O) -> impl Strategy<Value = Verb> {
    (any::<Index>(), outcomes, prop::bool::weighted(0.8), prop::bool::weighted(0.4))
        .prop_map(|(which, outcome, room, is_resumed)| Verb::Settle { which, outcome, room, is_resumed })
}

fn offers<K: Strategy<Value = PermitKind>>(kinds: K) -> impl Strategy<Value = Offer> {
    (kinds, select(vec![1, 1, 2, 3]), 0..24_u8).prop_map(|(kind, count, code)| Offer { kind, count, code })
}

fn wishes() -> impl Strategy<Value = Wish> {
    let policies =
        select(vec![PermitPolicy::Require, PermitPolicy::Wait, PermitPolicy::Wait, PermitPolicy::Try]);
    let with_code = select(vec![PermitKind::Form, PermitKind::Form, PermitKind::Payment]);
    (
        (0..USERS, any::<bool>(), policies, select(vec![OnUnknown::Hold, OnUnknown::Resend])),
        (select(vec![0, 0, 0, 30, 1_000, 8 * 86_400]), prop::option::of(select(vec![1, 100, 100_000]))),
        (prop::bool::weighted(0.25), prop::option::weighted(0.2, offers(with_code))),
        (prop::option::weighted(0.2, 0..3_u8), prop::option::weighted(0.5, select(vec![0, 0, 1]))),
        prop::bool::weighted(0.8),
    )
        .prop_map(
            |(
                (user, legacy, policy, on_unknown),
                (wait_s, patience_s),
                (reserve, own),
                (key, collapse),
                room,
            )| {
                // A permit with a code serves template messages only.
                let own = own.filter(|_| legacy);
                Wish {
                    user,
                    legacy,
                    policy,
                    on_unknown,
                    wait_s,
                    patience_s,
                    reserve,
                    own,
                    key,
                    collapse,
                    room,
                }
            },
        )
}

fn pushes() -> impl Strategy<Value = Push> {
    prop_oneof![
        2 => Just(Push::Accepted),
        1 => Just(Push::Withdrawn),
        4 => select(vec![0, 0, 4]).prop_map(|code| Push::Report(Errcode(code))),
    ]
}

/// Verbs that neither change whether the app may send, nor who owns the lanes.
fn quiet_verbs() -> impl Strategy<Value = Verb> {
    let kinds = select(vec![
        PermitKind::Form,
        PermitKind::Form,
        PermitKind::Payment,
        PermitKind::SubscribeOnce,
        PermitKind::SubscribeOnce,
        PermitKind::SubscribeLongTerm,
    ]);
    prop_oneof![
        5 => (0..USERS, prop::collection::vec(offers(kinds), 1..3))
            .prop_map(|(user, permits)| Verb::Grant { user, permits }),
        6 => wishes().prop_map(|wish| Verb::Accept(vec![wish])),
        2 => prop::collection::vec(wishes(), 2..4).prop_map(Verb::Accept),
        5 => (0..USERS, select(vec![1, 2, 100, 100]))
            .prop_map(|(user, limit)| Verb::Claim { user, limit }),
        9 => settles(outcomes()),
        3 => (any::<Index>(), prop::bool::weighted(0.8))
            .prop_map(|(which, is_open)| Verb::Cancel { which, is_open }),
        3 => (any::<Index>(), select(Verdict::ALL.to_vec()))
            .prop_map(|(which, verdict)| Verb::Resolve { which, verdict }),
        4 => (0..USERS, pushes(), prop::bool::weighted(0.8))
            .prop_map(|(user, push, at_once)| Verb::Receive { user, push, at_once }),
        1 => (0..USERS).prop_map(|user| Verb::Work { user }),
        4 => select(vec![1, 5, 60, 900, 2_000, 3 * 86_400, 4 * 86_400]).prop_map(Verb::Pass),
    ]
}

/// Verbs that do change that.
fn loud_verbs() -> impl Strategy<Value = Verb> {
    prop_oneof![
        2 => settles(pausing()),
        1 => Just(Verb::Crash),
        1 => (0..USERS).prop_map(|user| Verb::Lose { user }),
        1 => Just(Verb::Reopen),
        1 => prop::option::of(select(vec![5, 5_000])).prop_map(Verb::Pause),
        1 => select(vec![5, 30]).prop_map(Verb::Outage),
        2 => Just(Verb::Probe),
        2 => Just(Verb::Resume),
    ]
}

/// A sequence of verbs. One in four is quiet: the end of a pause and a lane that changes hands give every parked message a
/// timer, which would hide a verb that forgets to set one.
pub(super) fn verbs() -> impl Strategy<Value = Vec<Verb>> {
    prop_oneof![
        3 => prop::collection::vec(prop_oneof![4 => quiet_verbs(), 1 => loud_verbs()], 20..90),
        1 => prop::collection::vec(quiet_verbs(), 20..90),
    ]
}
