//! The store and the model, driven beside each other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::{AppPause, Next, Outcome, PauseCode, settle};
use hongyan_ledger::units::UnitEffect;
use hongyan_ledger::{Channel, Lane, MessageState as S, PermitKind};

use super::super::heard::Heeded;
use super::super::world::{World, appid, template, user};
use super::rules::{Cause, Message, Model, lane};
use super::verbs::{Verb, Wish};
use crate::StoreError;
use crate::types::{
    Accepted, Cancelled, ClaimBatch, Claimed, Idempotency, MessageFilter, MessageView, NewMessage, NewPermit,
    PauseOrder, PermitView, ProbeCursor, Probing, Settlement,
};

pub(super) struct Run {
    world: World,
    pub(super) model: Model,
    pub(super) flying: Vec<Claimed>,
    /// When whoever looks at lanes would look: what they were told, and nothing else.
    moments: HashMap<Lane, UnixMillis>,
}

impl Run {
    pub(super) fn begin(world: World) -> Self {
        Self { world, model: Model::new(), flying: Vec::new(), moments: HashMap::new() }
    }

    /// Nothing more is asked.
    pub(super) async fn end(self) {
        self.world.opened().close().await;
    }

    /// When the lane is looked at, as signals and looks set it.
    pub(super) fn told(&mut self, lane: Lane) -> UnixMillis {
        for heard in self.world.heard() {
            if let Heeded::Wake(lane, at) | Heeded::Scheduled(lane, at) = heard {
                self.ring(lane, at);
            }
        }
        self.moments.get(&lane).copied().unwrap_or(UnixMillis::MAX)
    }

    fn ring(&mut self, lane: Lane, at: UnixMillis) {
        let earliest = self.moments.entry(lane).or_insert(UnixMillis::MAX);
        *earliest = at.min(*earliest);
    }

    /// A look begins: it will say itself when to look again. What rings meanwhile counts, too.
    fn begin_look(&mut self, lane: Lane) {
        self.told(lane);
        self.moments.remove(&lane);
    }

    pub(super) async fn claim(&self, lane: Lane, limit: u32) -> ClaimBatch {
        self.world.claim_lane(lane, self.model.now, limit).await
    }

    pub(super) async fn carry_out(&mut self, verb: &Verb) -> Cause {
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
                self.begin_look(lane(*user));
                let batch = self.claim(lane(*user), *limit).await;
                self.ring(lane(*user), batch.next_wake.unwrap_or(UnixMillis::MAX));
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
                assert_eq!(self.world.store.settle(vec![again]).await.unwrap()[0].state, None);
                Cause::Settle(id)
            }
            Verb::Cancel(which) if !self.model.messages.is_empty() => {
                let message = which.get(&self.model.messages).clone();
                let answer = self.world.store.cancel(message.id, now).await.unwrap();
                let may = message.state.is_cancellable() && !message.maybe_delivered;
                let expected = if may { Cancelled::Done } else { Cancelled::TooLate(message.state) };
                assert_eq!(answer, expected);
                Cause::Cancel(message.id)
            }
            Verb::Crash => {
                self.flying.clear();
                for lane in Lane::all() {
                    self.begin_look(lane);
                    let acquired = self.world.acquire(lane, now).await;
                    self.ring(lane, acquired.next_wake.unwrap_or(UnixMillis::MAX));
                    for lost in acquired.sending {
                        self.settle(&lost, Outcome::Unanswered { why: "died".into() }, false).await;
                    }
                }
                Cause::Other
            }
            Verb::Reopen => {
                self.world.store.close().await;
                assert!(matches!(self.world.store.ping().await, Err(StoreError::Closed)));
                self.world.reopen().await;
                Cause::Other
            }
            Verb::Pause(seconds) => {
                let until = seconds.map(|seconds| now.plus(Duration::from_secs(seconds)));
                self.pause(AppPause { code: PauseCode::Operator, until }).await;
                Cause::Other
            }
            Verb::Resume => {
                assert_eq!(self.world.store.resume(appid(), now).await.unwrap(), self.model.paused.is_some());
                self.model.end_pause();
                Cause::Other
            }
            Verb::Outage(seconds) => {
                let until = Some(now.plus(Duration::from_secs(*seconds)));
                self.pause(AppPause { code: PauseCode::WechatUnavailable, until }).await;
                Cause::Other
            }
            Verb::Probe => {
                let probing = self.world.store.probe(appid(), None, now).await.unwrap();
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
        let order = PauseOrder { appid: appid(), pause, errcode: None, detail: String::new(), now };
        self.world.store.pause(order).await.unwrap();
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
    fn woken(&mut self, woken: &[ProbeCursor]) {
        assert!(!woken.is_empty());
        for (lane, _) in woken {
            assert!(self.told(*lane) <= self.model.now, "nobody was told that {lane} has one that is due");
        }
    }

    fn new_permit(&self, user_number: usize, kind: PermitKind, count: u32, code: String) -> NewPermit {
        let now = self.model.now;
        let subscription = kind.channel() == Channel::Subscribe;
        NewPermit {
            id: self.world.ids.permit(lane(user_number), now),
            appid: appid(),
            openid: user(user_number as u32),
            kind,
            code: (!subscription).then_some(code),
            template: subscription.then(|| template("sub")),
            count: if kind == PermitKind::Form { 1 } else { count },
            expires_at: (!subscription).then(|| now.plus(FORM_LIFETIME)),
            reported_by: None,
            claim: None,
        }
    }

    async fn grant(&mut self, user: usize, kind: PermitKind, count: u32, code: u8) {
        let new = self.new_permit(user, kind, count, format!("{kind:?}-{code}"));
        let granted = self.world.store.grant(vec![new.clone()], self.model.now).await.unwrap().remove(0);
        let duplicate = self.model.granted(user, &new, granted.id);
        assert_eq!(granted.duplicate, duplicate, "the same code twice is one permit");
    }

    async fn accept(&mut self, wish: &Wish) {
        let now = self.model.now;
        let openid = user(wish.user as u32);
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
            id: self.world.ids.message(lane(wish.user), now),
            appid: appid(),
            openid,
            template: template(if wish.legacy { "legacy" } else { "sub" }),
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
            start: room.then(|| self.world.epoch(lane(wish.user))),
        };
        let (id, deadline) = (new.id, new.deadline);
        let known = wish.key.and_then(|key| self.model.keys.get(&(wish.user, key)).copied());
        match self.world.store.accept(vec![new]).await.unwrap().remove(0) {
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
        let settled = self.world.store.settle(vec![settlement]).await.unwrap().remove(0);
        assert!(settled.state.is_some(), "it was in flight");
        if let Some(next) = &settled.next {
            assert!(room, "nobody asked for another");
            assert_eq!(next.openid, claimed.openid);
        }
        self.flying.extend(settled.next.map(|next| *next));
    }

    pub(super) async fn views(&self) -> Vec<MessageView> {
        let filter = MessageFilter { limit: 1000, ..MessageFilter::default() };
        let mut views = self.world.store.messages(filter).await.unwrap().items;
        views.reverse();
        views
    }

    pub(super) async fn permits(&self, number: usize) -> Vec<PermitView> {
        self.world.store.permits(appid(), user(number as u32), self.model.now).await.unwrap()
    }
}
