//! What is asked of the store, by chance.

use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{OnUnknown, PermitKind, PermitPolicy};
use hongyan_wechat::Errcode;
use proptest::prelude::*;
use proptest::sample::{Index, select};

pub(super) const USERS: usize = 3;

#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) user: usize,
    pub(super) legacy: bool,
    pub(super) policy: PermitPolicy,
    pub(super) on_unknown: OnUnknown,
    pub(super) wait_s: u64,
    pub(super) patience_s: Option<u64>,
    pub(super) reserve: bool,
    pub(super) own_form: bool,
    pub(super) key: Option<u8>,
    pub(super) room: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Verb {
    Grant {
        user: usize,
        kind: PermitKind,
        count: u32,
        code: u8,
    },
    Accept(Wish),
    Claim {
        user: usize,
        limit: u32,
    },
    Settle {
        which: Index,
        outcome: Outcome,
        room: bool,
    },
    Cancel(Index),
    /// The process dies: its successor settles what was in flight and takes the lanes over.
    Crash,
    Reopen,
    Pause(Option<u64>),
    /// WeChat does not answer: the app's breaker opens, and is probed after so many seconds.
    Outage(u64),
    /// Somebody looks whether a probe is due.
    Probe,
    Resume,
    Pass(u64),
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let errcodes = prop_oneof![
        4 => Just(0),
        3 => select(vec![-1, 43101, 41028, 41029, 47003, 43108]),
        1 => select(vec![45009, 45011, 40001, 40125]),
    ];
    prop_oneof![
        6 => errcodes.prop_map(|code| Outcome::answered(Errcode(code), "")),
        1 => Just(Outcome::NotSent { why: String::new() }),
        2 => Just(Outcome::Unanswered { why: String::new() }),
    ]
}

fn wishes() -> impl Strategy<Value = Wish> {
    let policies =
        select(vec![PermitPolicy::Require, PermitPolicy::Wait, PermitPolicy::Wait, PermitPolicy::Try]);
    (
        (0..USERS, any::<bool>(), policies, select(vec![OnUnknown::Hold, OnUnknown::Resend])),
        (select(vec![0, 0, 0, 30, 1_000]), prop::option::of(select(vec![1, 100, 100_000]))),
        (prop::bool::weighted(0.25), prop::bool::weighted(0.2)),
        prop::option::weighted(0.3, 0..3_u8),
        prop::bool::weighted(0.8),
    )
        .prop_map(
            |((user, legacy, policy, on_unknown), (wait_s, patience_s), (reserve, own), key, room)| Wish {
                user,
                legacy,
                policy,
                on_unknown,
                wait_s,
                patience_s,
                reserve,
                own_form: own && legacy,
                key,
                room,
            },
        )
}

pub(super) fn verbs() -> impl Strategy<Value = Vec<Verb>> {
    let kinds = select(vec![
        PermitKind::Form,
        PermitKind::Form,
        PermitKind::Payment,
        PermitKind::SubscribeOnce,
        PermitKind::SubscribeOnce,
        PermitKind::SubscribeLongTerm,
    ]);
    let verb = prop_oneof![
        5 => (0..USERS, kinds, 1..3_u32, 0..24_u8)
            .prop_map(|(user, kind, count, code)| Verb::Grant { user, kind, count, code }),
        8 => wishes().prop_map(Verb::Accept),
        5 => (0..USERS, select(vec![1, 2, 100, 100]))
            .prop_map(|(user, limit)| Verb::Claim { user, limit }),
        8 => (any::<Index>(), outcomes(), prop::bool::weighted(0.8))
            .prop_map(|(which, outcome, room)| Verb::Settle { which, outcome, room }),
        2 => any::<Index>().prop_map(Verb::Cancel),
        1 => Just(Verb::Crash),
        1 => Just(Verb::Reopen),
        1 => prop::option::of(select(vec![5, 5_000])).prop_map(Verb::Pause),
        1 => select(vec![5, 30]).prop_map(Verb::Outage),
        2 => Just(Verb::Probe),
        2 => Just(Verb::Resume),
        5 => select(vec![1, 5, 60, 2_000, 4 * 86_400]).prop_map(Verb::Pass),
    ];
    prop::collection::vec(verb, 10..60)
}
