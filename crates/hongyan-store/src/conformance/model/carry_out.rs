//! Carries out one verb, on the store and on the model.

use std::time::Duration;

use hongyan_ledger::settle::{AppPause, Outcome, PauseCode};
use hongyan_ledger::{Lane, MessageState as S};
use hongyan_wechat::OpenId;

use super::super::world::appid;
use super::rules::{Cause, Message, lane};
use super::run::Run;
use super::verbs::Verb;
use crate::StoreError;
use crate::types::{Cancelled, Probing};

impl Run {
    pub(super) async fn carry_out(&mut self, verb: &Verb) -> Cause {
        let now = self.model.now;
        match verb {
            Verb::Grant { user, permits } => {
                self.grant(*user, permits).await;
                Cause::Other
            }
            Verb::Accept(wishes) => {
                let from = self.model.messages.len();
                self.accept(wishes).await;
                Cause::Accept { from }
            }
            Verb::Claim { user, limit } => {
                let batch = self.look(lane(*user), *limit).await;
                assert!(batch.claimed.len() <= *limit as usize);
                self.flying.extend(batch.claimed);
                Cause::Claim
            }
            Verb::Settle { which, outcome, room, is_resumed } if !self.flying.is_empty() => {
                let claimed = self.flying.swap_remove(which.index(self.flying.len()));
                let id = claimed.id;
                self.settle(&claimed, outcome.clone(), *room, *is_resumed).await;
                // An outcome is applied once: a second outcome of the same attempt changes nothing.
                let again = self.settlement(&claimed, Outcome::Unanswered { why: "late".into() }, false);
                assert_eq!(self.world.store.settle(vec![again]).await.unwrap()[0].state, None);
                Cause::Settle(id)
            }
            Verb::Cancel { which, is_open } => {
                let all = &self.model.messages;
                let open: Vec<_> = all.iter().filter(|message| message.state.is_cancellable()).collect();
                let from = if *is_open { open } else { all.iter().collect() };
                if from.is_empty() {
                    return Cause::Other;
                }
                let message = (*which.get(&from)).clone();
                let answer = self.world.store.cancel(message.id, now).await.unwrap();
                let may = message.state.is_cancellable() && !message.maybe_delivered;
                let expected = if may { Cancelled::Done } else { Cancelled::TooLate(message.state) };
                assert_eq!(answer, expected);
                Cause::Cancel(message.id)
            }
            Verb::Resolve { which, verdict } => {
                let unknown: Vec<Message> = self.model.in_state(S::Unknown).cloned().collect();
                if unknown.is_empty() {
                    return Cause::Other;
                }
                let message = which.get(&unknown);
                self.resolve(message, *verdict).await;
                Cause::Resolve(message.id)
            }
            Verb::Receive { user, push, at_once } => {
                self.receive(*user, *push).await;
                if *at_once {
                    self.work(*user).await;
                }
                Cause::Other
            }
            Verb::Work { user } => {
                self.work(*user).await;
                Cause::Other
            }
            Verb::Crash => {
                self.lose(&Lane::all().collect::<Vec<_>>()).await;
                Cause::Other
            }
            Verb::Lose { user } => {
                self.lose(&[lane(*user)]).await;
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
                self.resume().await;
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
                    Probing::Woken { users, .. } => {
                        assert!(self.model.is_broken && !self.model.is_paused() && rests);
                        self.woken(&users);
                    }
                }
                Cause::Other
            }
            Verb::Pass(seconds) => {
                self.model.now = now.plus(Duration::from_secs(*seconds));
                Cause::Other
            }
            Verb::Settle { .. } => Cause::Other,
        }
    }

    /// The owner of these lanes died. The next owner acquires them, and settles what was in flight.
    async fn lose(&mut self, lanes: &[Lane]) {
        self.flying.retain(|claimed| !claimed.id.lane().is_some_and(|lane| lanes.contains(&lane)));
        for acquired in self.acquire(lanes).await {
            for lost in acquired.sending {
                self.settle(&lost, Outcome::Unanswered { why: "died".into() }, false, false).await;
            }
        }
    }

    /// The first ready message of each of these users is due now, in the store and in its lane's timer.
    fn woken(&mut self, woken: &[OpenId]) {
        assert!(!woken.is_empty());
        for lane in woken.iter().map(|openid| Lane::of(&appid(), openid)) {
            assert!(self.told(lane) <= self.model.now, "nobody was told that {lane} has one that is due");
        }
    }
}
