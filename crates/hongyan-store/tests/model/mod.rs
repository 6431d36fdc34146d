//! The store against a model of it: random verbs on a real database, and after each of them everything that can be
//! observed is held against plain lists and the rules of `docs/reliability.md`.
//!
//! The model does not repeat how the store works (timers, indexes, who wakes whom). It says which moves of a message
//! are allowed at a moment, how units add up, what must have moved once a lane was looked at, and when the lane must
//! be looked at next at the latest.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::gate::PROBE_PATIENCE;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::{AppPause, Next, Outcome, PauseCode, settle};
use hongyan_ledger::units::UnitEffect;
use hongyan_ledger::{
    Channel, LANES, Lane, MessageId, MessageState as S, OnUnknown, PermitId, PermitKind, PermitPolicy,
};
use hongyan_store::signals::{Listener, Signal, Signals};
use hongyan_store::sqlite::SqliteStore;
use hongyan_store::types::{
    Accepted, Cancelled, ClaimBatch, Claimed, Epoch, Idempotency, MessageFilter, MessageView, NewMessage,
    NewPermit, PauseOrder, PermitView, ProbeCursor, Probing, Settlement,
};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::{Errcode, OpenId};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{NOW, app, open};

mod audit;

const USERS: usize = 3;

#[derive(Debug, Clone)]
struct Wish {
    user: usize,
    legacy: bool,
    policy: PermitPolicy,
    on_unknown: OnUnknown,
    wait_s: u64,
    patience_s: Option<u64>,
    reserve: bool,
    own_form: bool,
    key: Option<u8>,
    room: bool,
}

#[derive(Debug, Clone)]
enum Verb {
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

fn verbs() -> impl Strategy<Value = Vec<Verb>> {
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

/// A message as the rules see it.
#[derive(Debug, Clone)]
struct Message {
    id: MessageId,
    user: usize,
    channel: Channel,
    policy: PermitPolicy,
    on_unknown: OnUnknown,
    own_form: bool,
    send_at: UnixMillis,
    deadline: Option<UnixMillis>,
    state: S,
    /// What it names, if it is open or was sent.
    permit: Option<PermitId>,
    /// A unit stays kept for it, although its outcome is unknown.
    keeps_unit: bool,
    maybe_delivered: bool,
    attempts: u32,
    /// Its own pause after a failure: nothing is owed to it before this.
    backs_off_until: UnixMillis,
}

/// A permit as the rules see it.
#[derive(Debug, Clone)]
struct Permit {
    id: PermitId,
    user: usize,
    kind: PermitKind,
    granted: u32,
    revoked: u32,
    /// An unlimited one that was refused.
    is_dead: bool,
    granted_at: UnixMillis,
    expires_at: Option<UnixMillis>,
    code: Option<String>,
}

/// What a verb did, so that only its own moves are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Accept,
    Claim,
    Settle(MessageId),
    Cancel(MessageId),
    Grant,
    Other,
}

struct Model {
    now: UnixMillis,
    messages: Vec<Message>,
    permits: Vec<Permit>,
    /// Until when, if it is paused; the end of time: until it is resumed.
    paused: Option<UnixMillis>,
    /// The pause is that of an open breaker: it is over when a probe was answered, or another pause takes its place.
    is_broken: bool,
    keys: HashMap<(usize, u8), (MessageId, u8)>,
}

struct Run {
    dir: tempfile::TempDir,
    store: SqliteStore,
    ids: IdMaker,
    model: Model,
    flying: Vec<Claimed>,
    /// By lane; this run has all of them.
    epochs: Vec<Epoch>,
    /// When whoever looks at lanes would look: what they were told, and nothing else.
    timers: Arc<Timers>,
}

/// The moment of each lane, as signals and looks set it.
struct Timers(Mutex<Vec<UnixMillis>>);

impl Timers {
    fn at(&self, lane: Lane) -> UnixMillis {
        self.0.lock().unwrap()[lane.index()]
    }

    fn ring(&self, lane: Lane, at: UnixMillis) {
        let earliest = &mut self.0.lock().unwrap()[lane.index()];
        *earliest = at.min(*earliest);
    }

    /// A look begins: it will say itself when to look again. What rings meanwhile counts, too.
    fn begin_look(&self, lane: Lane) {
        self.0.lock().unwrap()[lane.index()] = UnixMillis::MAX;
    }
}

impl Listener for Timers {
    fn hear(&self, signals: &Signals) {
        for signal in signals.iter() {
            if let Signal::Wake { lane, at } | Signal::Scheduled { lane, at } = signal {
                self.ring(lane, at);
            }
        }
    }
}

/// Opens the store, and listens.
fn open_to(path: &Path, timers: &Arc<Timers>) -> SqliteStore {
    let store = open(path).unwrap();
    store.listen(Arc::clone(timers) as Arc<dyn Listener>);
    store
}

fn user(number: usize) -> OpenId {
    format!("oUser{number:023}").parse().unwrap()
}

fn lane(number: usize) -> Lane {
    Lane::of(&app().appid, &user(number))
}

impl Run {
    async fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let timers = Arc::new(Timers(Mutex::new(vec![UnixMillis::MAX; usize::from(LANES)])));
        let store = open_to(&dir.path().join("h.db"), &timers);
        assert!(store.add_app(app()).await.unwrap());
        let model = Model {
            now: NOW,
            messages: Vec::new(),
            permits: Vec::new(),
            paused: None,
            is_broken: false,
            keys: HashMap::new(),
        };
        let mut epochs = Vec::new();
        for lane in Lane::all() {
            epochs.push(store.acquire(lane, "model", NOW).await.unwrap().epoch);
        }
        Self { dir, store, ids: IdMaker::new(), model, flying: Vec::new(), epochs, timers }
    }

    async fn claim(&self, lane: Lane, limit: u32) -> ClaimBatch {
        let batch = self.store.claim(lane, self.epochs[lane.index()], self.model.now, limit).await.unwrap();
        batch.expect("this run has every lane")
    }

    async fn carry_out(&mut self, verb: &Verb) -> Cause {
        let now = self.model.now;
        match verb {
            Verb::Grant { user, kind, count, code } => {
                self.grant(*user, *kind, *count, *code).await;
                Cause::Grant
            }
            Verb::Accept(wish) => {
                self.accept(wish).await;
                Cause::Accept
            }
            Verb::Claim { user, limit } => {
                self.timers.begin_look(lane(*user));
                let batch = self.claim(lane(*user), *limit).await;
                self.timers.ring(lane(*user), batch.next_wake.unwrap_or(UnixMillis::MAX));
                assert!(batch.claimed.len() <= *limit as usize);
                self.flying.extend(batch.claimed);
                Cause::Claim
            }
            Verb::Settle { which, outcome, room } if !self.flying.is_empty() => {
                let claimed = self.flying.swap_remove(which.index(self.flying.len()));
                let id = claimed.id;
                self.settle(&claimed, outcome.clone(), *room).await;
                // What was settled is settled: a second outcome of the same attempt does nothing.
                let again = self.settlement(&claimed, Outcome::Unanswered { why: "late".into() }, false);
                assert_eq!(self.store.settle(vec![again]).await.unwrap()[0].state, None);
                Cause::Settle(id)
            }
            Verb::Cancel(which) if !self.model.messages.is_empty() => {
                let message = which.get(&self.model.messages).clone();
                let answer = self.store.cancel(message.id, now).await.unwrap();
                let may = message.state.is_cancellable() && !message.maybe_delivered;
                let expected = if may { Cancelled::Done } else { Cancelled::TooLate(message.state) };
                assert_eq!(answer, expected);
                Cause::Cancel(message.id)
            }
            Verb::Crash => {
                self.flying.clear();
                for lane in Lane::all() {
                    self.timers.begin_look(lane);
                    let acquired = self.store.acquire(lane, "model", now).await.unwrap();
                    self.timers.ring(lane, acquired.next_wake.unwrap_or(UnixMillis::MAX));
                    self.epochs[lane.index()] = acquired.epoch;
                    for lost in acquired.sending {
                        self.settle(&lost, Outcome::Unanswered { why: "died".into() }, false).await;
                    }
                }
                Cause::Other
            }
            Verb::Reopen => {
                self.store.close().await;
                assert!(matches!(self.store.ping().await, Err(StoreError::Closed)));
                self.store = open_to(&self.dir.path().join("h.db"), &self.timers);
                Cause::Other
            }
            Verb::Pause(seconds) => {
                let until = seconds.map(|seconds| now.plus(Duration::from_secs(seconds)));
                self.pause(AppPause { code: PauseCode::Operator, until }).await;
                Cause::Other
            }
            Verb::Resume => {
                assert_eq!(self.store.resume(app().appid, now).await.unwrap(), self.model.paused.is_some());
                self.model.end_pause();
                Cause::Other
            }
            Verb::Outage(seconds) => {
                let until = Some(now.plus(Duration::from_secs(*seconds)));
                self.pause(AppPause { code: PauseCode::WechatUnavailable, until }).await;
                Cause::Other
            }
            Verb::Probe => {
                let probing = self.store.probe(app().appid, None, now).await.unwrap();
                let rests = self.model.messages.iter().any(|message| message.state == S::Ready);
                match probing {
                    Probing::Closed => assert!(!self.model.is_broken),
                    Probing::NotBefore(at) => {
                        assert!(self.model.is_broken && now < at && self.model.paused == Some(at));
                    }
                    Probing::NoneReady => assert!(!rests, "somebody is ready, and nobody was woken"),
                    Probing::Woken(woken) => {
                        assert!(self.model.is_broken && !self.model.is_paused() && rests);
                        self.woken(&woken);
                    }
                }
                Cause::Other
            }
            Verb::Pass(seconds) => {
                self.model.now = now.plus(Duration::from_secs(*seconds));
                Cause::Other
            }
            Verb::Settle { .. } | Verb::Cancel(_) => Cause::Other,
        }
    }

    async fn pause(&mut self, pause: AppPause) {
        let now = self.model.now;
        let order = PauseOrder { appid: app().appid, pause, errcode: None, detail: String::new(), now };
        self.store.pause(order).await.unwrap();
        let is_outage = pause.code == PauseCode::WechatUnavailable;
        let until = pause.until.unwrap_or(UnixMillis::MAX);
        if self.model.is_broken {
            // Whatever comes takes the place of an outage, and what rests because of that must rest for it.
            if !is_outage {
                self.model.end_pause();
            }
            (self.model.paused, self.model.is_broken) = (Some(until), is_outage);
        } else if self.model.paused.is_none_or(|present| present <= until) {
            // The longer one stays; one for an operator is the longest.
            self.model.is_broken = is_outage;
            self.model.paused = Some(until);
        }
    }

    /// The first ready message of each of these users is due now, in the store and in its lane's timer.
    fn woken(&self, woken: &[ProbeCursor]) {
        assert!(!woken.is_empty());
        for (lane, _) in woken {
            assert!(
                self.timers.at(*lane) <= self.model.now,
                "nobody was told that {lane} has one that is due"
            );
        }
    }

    fn new_permit(&self, user_number: usize, kind: PermitKind, count: u32, code: String) -> NewPermit {
        let now = self.model.now;
        let subscription = kind.channel() == Channel::Subscribe;
        NewPermit {
            id: self.ids.permit(lane(user_number), now),
            appid: app().appid,
            openid: user(user_number),
            kind,
            code: (!subscription).then_some(code),
            template: subscription.then(|| "sub".parse().unwrap()),
            count: if kind == PermitKind::Form { 1 } else { count },
            expires_at: (!subscription).then(|| now.plus(FORM_LIFETIME)),
            reported_by: None,
            claim: None,
        }
    }

    async fn grant(&mut self, user: usize, kind: PermitKind, count: u32, code: u8) {
        let new = self.new_permit(user, kind, count, format!("{kind:?}-{code}"));
        let granted = self.store.grant(vec![new.clone()], self.model.now).await.unwrap().remove(0);
        let duplicate = self.model.granted(user, &new, granted.id);
        assert_eq!(granted.duplicate, duplicate, "the same code twice is one permit");
    }

    async fn accept(&mut self, wish: &Wish) {
        let now = self.model.now;
        let openid = user(wish.user);
        let send_at = now.plus(Duration::from_secs(wish.wait_s));
        let channel = if wish.legacy { Channel::Legacy } else { Channel::Subscribe };
        // The body stands for all of the request.
        let fingerprint = wish.wait_s as u8 ^ u8::from(wish.legacy);
        let own = wish.own_form.then(|| {
            self.new_permit(wish.user, PermitKind::Form, 1, format!("own-{}", self.model.messages.len()))
        });
        // As the gateway does it: while something scheduled is due in the lane, nothing is started at once.
        let room = wish.room && !self.model.is_timer_due(wish.user);
        let new = NewMessage {
            id: self.ids.message(lane(wish.user), now),
            appid: app().appid,
            openid,
            template: if wish.legacy { "legacy" } else { "sub" }.parse().unwrap(),
            channel,
            body: Arc::from(&b"{}"[..]),
            send_at,
            deadline: wish.patience_s.map(|seconds| send_at.plus(Duration::from_secs(seconds))),
            policy: wish.policy,
            on_unknown: wish.on_unknown,
            reserve_now: wish.reserve,
            reference: None,
            idempotency: wish
                .key
                .map(|key| Idempotency { key_hash: [key; 8], fingerprint: [fingerprint; 8] }),
            own_permit: own.clone(),
            accepted_at: now,
            collapse_key: None,
            start: room.then(|| self.epochs[lane(wish.user).index()]),
        };
        let (id, deadline) = (new.id, new.deadline);
        let known = wish.key.and_then(|key| self.model.keys.get(&(wish.user, key)).copied());
        match self.store.accept(vec![new]).await.unwrap().remove(0) {
            Accepted::New { claimed, state, .. } => {
                assert_eq!(known, None, "its key was known");
                assert_eq!(claimed.is_some(), state == S::Sending);
                if let Some(key) = wish.key {
                    self.model.keys.insert((wish.user, key), (id, fingerprint));
                }
                if let Some(own) = own {
                    let name = own.id;
                    self.model.granted(wish.user, &own, name);
                }
                self.flying.extend(claimed.map(|claimed| *claimed));
                self.model.messages.push(Message {
                    id,
                    user: wish.user,
                    channel,
                    policy: wish.policy,
                    on_unknown: wish.on_unknown,
                    own_form: wish.own_form,
                    send_at,
                    deadline,
                    state: S::Scheduled,
                    permit: None,
                    keeps_unit: false,
                    maybe_delivered: false,
                    attempts: 0,
                    backs_off_until: UnixMillis(0),
                });
            }
            Accepted::Replayed { id, state, .. } => {
                assert_eq!(known, Some((id, fingerprint)), "replayed");
                assert_eq!(state, self.model.message(id).state);
            }
            Accepted::KeyReused { id } => {
                let (earlier, other) = known.expect("a key that is reused was used");
                assert!(earlier == id && other != fingerprint);
            }
        }
    }

    fn settlement(&self, claimed: &Claimed, outcome: Outcome, room: bool) -> Settlement {
        let now = self.model.now;
        let effects = settle(&claimed.in_flight(), &outcome, now, 0.5);
        claimed.settlement(now, outcome, effects, room)
    }

    async fn settle(&mut self, claimed: &Claimed, outcome: Outcome, room: bool) {
        let settlement = self.settlement(claimed, outcome, room);
        let effects = settlement.effects;
        if let Some(pause) = effects.app {
            self.pause(pause).await;
        }
        // What the outcome says of the message; the store may set out with it again, or with the user's next.
        let message = self.model.message_mut(claimed.id);
        message.maybe_delivered = effects.maybe_delivered;
        message.keeps_unit = effects.unit == UnitEffect::Hold;
        message.state = match effects.next {
            Next::Sent => S::Sent,
            Next::Failed(_) => S::Failed,
            Next::Unknown => S::Unknown,
            Next::Retry { wake_at, .. } => {
                message.backs_off_until = wake_at.unwrap_or(UnixMillis(0));
                S::Ready
            }
            Next::Replace => S::Ready,
        };
        if effects.unit == UnitEffect::Revoke {
            self.model.revoke(claimed);
        }
        let settled = self.store.settle(vec![settlement]).await.unwrap().remove(0);
        assert!(settled.state.is_some(), "it was in flight");
        if let Some(next) = &settled.next {
            assert!(room, "nobody asked for another");
            assert_eq!(next.openid, claimed.openid);
        }
        self.flying.extend(settled.next.map(|next| *next));
    }

    async fn views(&self) -> Vec<MessageView> {
        let filter = MessageFilter { limit: 1000, ..MessageFilter::default() };
        let mut views = self.store.messages(filter).await.unwrap().items;
        views.reverse();
        views
    }

    async fn permits(&self, number: usize) -> Vec<PermitView> {
        self.store.permits(app().appid, user(number), self.model.now).await.unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_of_it_the_store_does_what_the_rules_say(verbs in verbs()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::begin().await;
            for verb in &verbs {
                let cause = run.carry_out(verb).await;
                run.audit(verb, cause).await;
            }
            run.store.close().await;
        });
    }
}

/// So many that it takes seconds; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}
