//! Random sequences of verbs, with the invariants looked at after each.
//!
//! The sequences are the same in each run: a seed makes them, and a failure names it.

use std::collections::HashMap;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::delivery::{PATIENCE, Report};
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{
    Lane, MessageId, MessageState as S, OnUnknown, PermitId, PermitKind, PermitPolicy, ReasonCode,
};
use hongyan_wechat::{Errcode, OpenId};

use super::check::checks;
use super::heard::Heeded;
use super::world::{START, World, appid, template, user};
use crate::types::{
    Accepted, ApplyOrder, ClaimBatch, Claimed, Deed, MessageFilter, MessageView, NewEvent, NewMessage,
    NewPermit, PauseOrder, Received, ResolveOrder, Resolved, Settlement,
};

checks![random_verbs_never_break_an_invariant_and_nothing_sleeps_for_ever];

const SEEDS: u64 = 4;
const STEPS: usize = 120;
const USERS: u32 = 3;

/// WeChat's possible words, success more often than the others.
const ERRCODES: [i32; 11] = [0, 0, 0, 0, 0, -1, 43101, 41028, 41029, 47003, 43108];

/// Words that pause the app.
const PAUSING: [i32; 3] = [45009, 40125, 40001];

async fn random_verbs_never_break_an_invariant_and_nothing_sleeps_for_ever(world: World) {
    // One world for all seeds: the next one begins in what the last one left.
    let mut driver = Driver::new(world);
    for seed in 0..SEEDS {
        driver.dice = Dice(seed);
        driver.calm = seed % 2 == 0;
        for step in 0..STEPS {
            driver.step().await;
            driver.audit(&format!("seed {seed}, step {step}")).await;
        }
        driver.come_to_rest().await;
        driver.audit(&format!("seed {seed}, at rest")).await;
    }
}

/// splitmix64: small, and good enough to play dice.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len() as u64) as usize]
    }
}

struct Driver {
    world: World,
    dice: Dice,
    /// The app is never paused and no lane changes hands. Both give every parked message a timer, which would hide
    /// a verb that forgets to.
    calm: bool,
    now: UnixMillis,
    /// What dispatch has in its hands.
    flying: Vec<Claimed>,
    /// Every message that was accepted, with the state in which it was seen last.
    seen: HashMap<MessageId, S>,
    /// When whoever looks at a lane would look: what was told after commits, and what the last look said itself.
    moments: HashMap<Lane, UnixMillis>,
    codes: u32,
}

impl Driver {
    fn new(world: World) -> Self {
        Self {
            world,
            dice: Dice(0),
            calm: true,
            now: START,
            flying: Vec::new(),
            seen: HashMap::new(),
            moments: HashMap::new(),
            codes: 0,
        }
    }

    async fn step(&mut self) {
        match self.dice.below(26) {
            0..=5 => self.accept().await,
            6..=10 => self.settle().await,
            11..=13 => self.claim().await,
            14 | 15 => self.grant().await,
            16 => self.cancel().await,
            20 | 21 => self.resolve().await,
            22..=25 => self.happens().await,
            17 if !self.calm => self.recover().await,
            18 if !self.calm => drop(self.world.store.resume(appid(), self.now).await.unwrap()),
            _ => {
                let seconds = self.dice.pick(&[1, 60, 900, 3 * 86_400]);
                self.now = self.now.plus(Duration::from_secs(seconds));
            }
        }
    }

    fn openid(&mut self) -> OpenId {
        user(self.dice.below(u64::from(USERS)) as u32)
    }

    fn permit(&mut self, openid: &OpenId) -> NewPermit {
        self.codes += 1;
        // Now and then a code for the second time.
        let number = if self.dice.one_in(8) { self.codes / 2 } else { self.codes };
        let form = self.world.form(openid, &format!("code{number}"), self.now);
        match self.dice.below(8) {
            0..=2 => NewPermit { count: 1 + self.dice.below(2) as u32, ..self.world.subscription(openid, 1) },
            3 => NewPermit { kind: PermitKind::SubscribeLongTerm, ..self.world.subscription(openid, 1) },
            4 => NewPermit { kind: PermitKind::Payment, count: 3, ..form },
            _ => form,
        }
    }

    async fn accept(&mut self) {
        let mut messages = Vec::new();
        for _ in 0..=self.dice.below(3) {
            let openid = self.openid();
            let mut new = if self.dice.one_in(2) {
                self.world.message(&openid, self.now)
            } else {
                self.world.legacy(&openid, self.now)
            };
            new.policy = self.dice.pick(&[PermitPolicy::Require, PermitPolicy::Wait, PermitPolicy::Try]);
            new.on_unknown = self.dice.pick(&[OnUnknown::Hold, OnUnknown::Hold, OnUnknown::Resend]);
            if self.dice.one_in(4) {
                new.start = None;
            }
            new.reserve_now = self.dice.one_in(4);
            new.collapse_key = self.dice.one_in(2).then(|| self.dice.pick(&["a", "a", "b"]).to_owned());
            let wait = self.dice.pick(&[0, 0, 0, 30, 1000, 8 * 86_400]);
            new.send_at = self.now.plus(Duration::from_secs(wait));
            if self.dice.one_in(3) {
                let patience = self.dice.pick(&[1, 100, 100_000]);
                new.deadline = Some(new.send_at.plus(Duration::from_secs(patience)));
            }
            if self.dice.one_in(4) {
                let own = self.permit(&openid);
                if own.kind.has_code() {
                    (new.own_permit, new.channel) = (Some(own), hongyan_ledger::Channel::Legacy);
                }
            }
            messages.push(new);
        }
        let ids: Vec<_> = messages.iter().map(|new: &NewMessage| new.id).collect();
        let answers = self.world.store.accept(messages).await.unwrap();
        for (id, answer) in ids.into_iter().zip(answers) {
            let Accepted::New { state, claimed, .. } = answer else { panic!("there were no keys") };
            self.seen.insert(id, state);
            self.flying.extend(claimed.map(|claimed| *claimed));
        }
    }

    async fn claim(&mut self) {
        let lane = Lane::of(&appid(), &self.openid());
        let limit = 1 + self.dice.below(4) as u32;
        let batch = self.look_at(lane, limit).await;
        assert!(batch.claimed.len() <= limit as usize);
        self.flying.extend(batch.claimed);
    }

    /// Claims. From when the look begins, what was told before is not needed any more.
    async fn look_at(&mut self, lane: Lane, limit: u32) -> ClaimBatch {
        self.listen();
        self.moments.remove(&lane);
        let batch = self.world.claim_lane(lane, self.now, limit).await;
        self.ring(lane, batch.next_wake.unwrap_or(UnixMillis::MAX));
        batch
    }

    fn ring(&mut self, lane: Lane, at: UnixMillis) {
        let earliest = self.moments.entry(lane).or_insert(UnixMillis::MAX);
        *earliest = at.min(*earliest);
    }

    /// Takes in what was told.
    fn listen(&mut self) {
        for heard in self.world.heard() {
            if let Heeded::Wake(lane, at) | Heeded::Scheduled(lane, at) = heard {
                self.ring(lane, at);
            }
        }
    }

    async fn settle(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let claimed = self.flying.swap_remove(self.dice.below(self.flying.len() as u64) as usize);
        let mut settlement = match self.dice.below(6) {
            0 => World::silence(&claimed, self.now),
            1 => World::outcome(&claimed, Outcome::NotSent { why: "refused".into() }, self.now),
            2 if !self.calm && self.dice.one_in(2) => {
                World::answer(&claimed, self.dice.pick(&PAUSING), self.now)
            }
            _ => World::answer(&claimed, self.dice.pick(&ERRCODES), self.now),
        };
        settlement.room = !self.dice.one_in(3);
        self.carry_out(settlement).await;
    }

    async fn carry_out(&mut self, settlement: Settlement) {
        // In this order, as the gateway does it; now and then the pause has ended before the outcome is stored.
        if let Some(pause) = settlement.effects.app {
            let order =
                PauseOrder { appid: appid(), pause, errcode: None, detail: String::new(), now: self.now };
            self.world.store.pause(order).await.unwrap();
            if self.dice.one_in(4) {
                self.world.store.resume(appid(), self.now).await.unwrap();
            }
        }
        let settled = self.world.settle(settlement).await;
        assert!(settled.state.is_some(), "only this driver settles");
        self.flying.extend(settled.next.map(|next| *next));
    }

    async fn grant(&mut self) {
        let openid = self.openid();
        let permits = (0..=self.dice.below(2)).map(|_| self.permit(&openid)).collect();
        self.world.store.grant(permits, self.now).await.unwrap();
    }

    async fn cancel(&mut self) {
        let mut open: Vec<_> =
            self.seen.iter().filter(|(_, state)| !state.is_final()).map(|(id, _)| *id).collect();
        // A map has no order of its own; the sequence must have.
        open.sort_unstable();
        if !open.is_empty() {
            let id = self.dice.pick(&open);
            self.world.store.cancel(id, self.now).await.unwrap();
        }
    }

    /// An operator finds out about a message of unknown outcome.
    async fn resolve(&mut self) {
        let mut unknown: Vec<_> =
            self.seen.iter().filter(|(_, state)| **state == S::Unknown).map(|(id, _)| *id).collect();
        unknown.sort_unstable();
        if unknown.is_empty() {
            return;
        }
        let (id, verdict) = (self.dice.pick(&unknown), self.dice.pick(&Verdict::ALL));
        let order = ResolveOrder {
            id,
            verdict,
            attempt: None,
            listened: None,
            now: self.now,
            witness: Witness::Operator,
        };
        let resolved = self.world.store.resolve(order).await.unwrap();
        assert!(matches!(resolved, Resolved::Done { .. }), "{resolved:?}");
    }

    /// WeChat pushes an event: the user accepted or wants no more, or it says what became of a message.
    async fn happens(&mut self) {
        let openid = self.openid();
        let lane = Lane::of(&appid(), &openid);
        self.codes += 1;
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&self.codes.to_le_bytes());
        let deed = match self.dice.below(4) {
            0 => Deed::Accept { template: template("sub"), permit: self.world.ids.permit(lane, self.now) },
            1 if self.dice.one_in(3) => Deed::Withdraw { template: template("sub") },
            _ => Deed::Report(Report {
                template: template("sub"),
                msgid: None,
                error_code: Errcode(self.dice.pick(&[0, 0, 4])),
                error_status: "said so".into(),
            }),
        };
        let event = NewEvent {
            id: self.world.ids.event(lane, self.now),
            appid: appid(),
            openid: Some(openid),
            name: "an_event".into(),
            digest,
            nonce_hash: digest,
            nonce_expires_at: self.now,
            create_time: 0,
            received_at: self.now,
            is_sent_report: false,
            body: "{}".into(),
        };
        let id = event.id;
        assert_eq!(self.world.store.receive_event(event).await.unwrap(), Received::New);
        let mut now = self.now;
        loop {
            let epoch = self.world.epoch(id.lane().unwrap());
            let order = ApplyOrder { id, epoch, deeds: vec![deed.clone()], now };
            let applied = self.world.store.apply_event(order).await.unwrap().expect("it is done once");
            match applied.wake_at {
                // Nobody answers meanwhile, so it waits as long as it may.
                Some(_) => now = self.now.plus(PATIENCE),
                None => break,
            }
        }
    }

    /// The process died and another one takes a lane over.
    async fn recover(&mut self) {
        let lane = Lane::of(&appid(), &self.openid());
        self.flying.retain(|claimed| claimed.id.lane() != Some(lane));
        self.listen();
        self.moments.remove(&lane);
        let acquired = self.world.acquire(lane, self.now).await;
        self.ring(lane, acquired.next_wake.unwrap_or(UnixMillis::MAX));
        for lost in acquired.sending {
            let settlement = Settlement { room: false, ..World::silence(&lost, self.now) };
            self.carry_out(settlement).await;
        }
    }

    /// Looks away from chance: the app is open, WeChat takes everything, time passes. Then nothing may be left that
    /// is open, but messages that no permit serves.
    async fn come_to_rest(&mut self) {
        if self.world.store.app(appid()).await.unwrap().unwrap().paused.is_some() {
            self.world.store.resume(appid(), self.now).await.unwrap();
        }
        for _ in 0..200 {
            while let Some(claimed) = self.flying.pop() {
                let settlement = World::answer(&claimed, 0, self.now);
                self.carry_out(settlement).await;
            }
            let mut next: Option<UnixMillis> = None;
            for n in 0..USERS {
                let lane = Lane::of(&appid(), &user(n));
                let batch = self.look_at(lane, 100).await;
                self.flying.extend(batch.claimed);
                next = next.into_iter().chain(batch.next_wake).min();
            }
            match next {
                None if self.flying.is_empty() => break,
                Some(wake) if self.flying.is_empty() => self.now = self.now.max(wake),
                _ => {}
            }
        }
        for view in self.all().await {
            let left = matches!(view.state, S::Scheduled | S::Ready | S::Sending);
            assert!(!left, "it sleeps for ever: {view:?}");
            if view.state == S::Waiting {
                for permit in self.world.store.permits(appid(), view.openid.clone(), self.now).await.unwrap()
                {
                    let serves = permit.permit.serves(view.channel, &view.template, self.now);
                    assert!(!serves, "{view:?} waits beside {permit:?}");
                }
                let because = self.world.store.explain(view.id, self.now).await.unwrap();
                assert!(!because.is_empty(), "{view:?} waits, and nothing says why");
            }
        }
    }

    async fn all(&self) -> Vec<MessageView> {
        let mut all: Vec<MessageView> = Vec::new();
        loop {
            let before = all.last().map(|view| view.id);
            let filter = MessageFilter { before, limit: 1000, ..MessageFilter::default() };
            let page = self.world.store.messages(filter).await.unwrap().items;
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    async fn audit(&mut self, moment: &str) {
        let all = self.all().await;
        assert_eq!(all.len(), self.seen.len(), "{moment}: messages are neither lost nor made");
        self.listen();
        for view in all.iter().filter(|view| view.state.is_cancellable()) {
            let looked_at = view.id.lane().and_then(|lane| self.moments.get(&lane));
            let in_time = view.wake_at.is_none_or(|at| looked_at.is_some_and(|moment| *moment <= at));
            assert!(in_time, "{moment}: its lane is looked at {looked_at:?}: {view:?}");
        }
        let mut sent: HashMap<PermitId, u32> = HashMap::new();
        let mut sending: HashMap<OpenId, u32> = HashMap::new();
        let mut unsent: HashMap<(&OpenId, &str), MessageId> = HashMap::new();
        for view in &all {
            let before = self.seen.insert(view.id, view.state).unwrap();
            assert!(!before.is_final() || before == view.state, "{moment}: {before} became {}", view.state);
            if let Some(key) = view.collapse_key.as_deref()
                && view.state.is_withdrawable(view.maybe_delivered)
            {
                let other = unsent.insert((&view.openid, key), view.id);
                assert_eq!(other, None, "{moment}: one message for each key, beside {view:?}");
            }
            let is_replaced = view.reason == Some(ReasonCode::Replaced);
            assert_eq!(view.replaced_by.is_some(), is_replaced, "{moment}: {view:?}");
            assert!(view.replaced_by.is_none_or(|successor| successor > view.id), "{moment}: {view:?}");
            match view.state {
                S::Sending => *sending.entry(view.openid.clone()).or_default() += 1,
                // Whatever became of it after that: WeChat took it.
                S::Sent | S::Delivered | S::Refused => {
                    view.permit.into_iter().for_each(|id| *sent.entry(id).or_default() += 1);
                }
                state if state.is_final() => assert_eq!(view.wake_at, None, "{moment}: {view:?}"),
                _ => {}
            }
        }
        assert!(sending.values().all(|&count| count == 1), "{moment}: two in flight: {sending:?}");
        let flying = all.iter().filter(|view| view.state == S::Sending).count();
        assert_eq!(flying, self.flying.len(), "{moment}: dispatch has what is sending");
        for n in 0..USERS {
            for view in self.world.store.permits(appid(), user(n), self.now).await.unwrap() {
                assert!(view.totals.balance(), "{moment}: {view:?}");
                let sent = sent.get(&view.permit.id).copied().unwrap_or_default();
                assert_eq!(view.totals.spent, sent, "{moment}: {view:?}");
                if view.permit.code.is_some() {
                    let end = view.permit.granted_at.plus(FORM_LIFETIME);
                    assert_eq!(view.permit.expires_at, Some(end), "{moment}: {view:?}");
                }
                let kept = all.iter().filter(|message| {
                    message.permit == Some(view.permit.id)
                        && !message.state.is_final()
                        && message.state != S::Sent
                });
                // A message whose permit was revoked in doubt names it still, but holds nothing.
                assert!(kept.count() as u32 >= view.totals.reserved, "{moment}: {view:?}");
            }
        }
    }
}
