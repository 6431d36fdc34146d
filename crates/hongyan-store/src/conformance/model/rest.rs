//! The end of a sequence: no message is left that nothing will move.

use std::collections::BTreeSet;

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{Lane, MessageState as S};
use hongyan_wechat::Errcode;

use super::rules::lane;
use super::run::Run;
use super::verbs::USERS;

/// More looks than any sequence needs.
const LOOKS: u32 = 500;

impl Run {
    /// Ends the randomness: the app is open, WeChat takes every message, time passes. Then no message may be left open,
    /// except messages that no permit serves.
    pub(super) async fn come_to_rest(&mut self) {
        self.work_on_all().await;
        if self.model.paused.is_some() {
            self.resume().await;
        }
        let lanes: BTreeSet<Lane> = (0..USERS).map(lane).collect();
        for look in 0.. {
            assert!(look < LOOKS, "it goes on for ever");
            while let Some(claimed) = self.flying.pop() {
                let settlement = self.settlement(&claimed, Outcome::answered(Errcode::OK, ""), true);
                let settled = self.world.store.settle(vec![settlement]).await.unwrap().remove(0);
                self.flying.extend(settled.next.map(|next| *next));
            }
            let mut next: Option<UnixMillis> = None;
            for &lane in &lanes {
                // A lane is looked at only when signals or the last look asked for it.
                if self.told(lane) <= self.model.now {
                    let batch = self.look(lane, 100).await;
                    self.flying.extend(batch.claimed);
                }
                next = next.into_iter().chain(Some(self.told(lane))).min();
            }
            match next {
                _ if !self.flying.is_empty() => {}
                Some(at) if at < UnixMillis::MAX => self.model.now = self.model.now.max(at),
                _ => break,
            }
        }
        for view in self.views().await {
            let is_left = matches!(view.state, S::Scheduled | S::Ready | S::Sending);
            assert!(!is_left, "it sleeps for ever: {view:?}");
            if view.state != S::Waiting {
                continue;
            }
            for number in 0..USERS {
                for permit in self.permits(number).await {
                    let serves = permit.permit.serves(view.channel, &view.template, self.model.now);
                    let is_own = self.model.message(view.id).user == number;
                    assert!(!(serves && is_own), "{view:?} waits beside {permit:?}");
                }
            }
            let because = self.world.store.explain(view.id, self.model.now).await.unwrap();
            assert!(!because.is_empty(), "{view:?} waits, and nothing says why");
        }
        for number in 0..USERS {
            for permit in self.permits(number).await {
                assert!(permit.totals.balance(), "{permit:?}");
            }
        }
    }
}
