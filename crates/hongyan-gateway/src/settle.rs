//! Settle: turns the outcomes of attempts into commits.
//!
//! One task takes every outcome that has come in, lets the ledger decide what each does, and stores them in one
//! call. While that is under way the next outcomes gather, so the batches grow with the load by themselves.

use hongyan_clock::{Clock, UnixMillis};
use hongyan_failpoints::{SETTLE_AFTER_PAUSE, SETTLE_BEFORE_NEXT, reach};
use hongyan_ledger::MessageState;
use hongyan_ledger::settle::{AppPause, Outcome, settle};
use hongyan_store::types::{Claimed, Settled, Settlement};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::Errcode;
use std::sync::Arc;
use tokio::sync::mpsc;

use crate::apps::Apps;
use crate::dispatch::Dispatch;
use crate::job::{Done, Job};
use crate::pace;
use crate::report::Report;
use crate::slots::Slots;
use crate::state::owned::Owned;
use crate::state::silence::Silence;
use crate::state::timers::Timers;
use crate::stop::Stop;

/// The most outcomes in one call of the store; a bound, far above what gathers in one commit's time.
const MAX_BATCH: usize = 512;

/// What settling works with. Clones share everything.
#[derive(Clone)]
pub struct Settler {
    /// Where outcomes are kept.
    pub store: Arc<dyn Store>,
    /// Whom a refusal may pause.
    pub apps: Apps,
    /// The time.
    pub clock: Clock,
    /// Whether something older is due.
    pub timers: Timers,
    /// Whether something new may begin.
    pub owned: Owned,
    /// Whom to tell how attempts ended.
    pub report: Report,
    /// Whether no new messages shall be started.
    pub stop: Stop,
    /// Whom to tell of lost answers.
    pub silence: Silence,
}

impl Settler {
    /// Runs until the gateway is stopping and nothing is in flight any more.
    pub async fn run(self, mut done: mpsc::Receiver<Done>, dispatch: Dispatch) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                received = done.recv_many(&mut batch, MAX_BATCH) => {
                    if received == 0 { return; }
                    self.settle_all(std::mem::take(&mut batch), &dispatch).await;
                }
                () = drained(&self.stop, &dispatch.slots) => return,
            }
        }
    }

    async fn settle_all(&self, batch: Vec<Done>, dispatch: &Dispatch) {
        let room = !self.stop.is_stopping();
        let settlements: Vec<_> =
            batch.iter().map(|done| self.settlement(&done.job.claimed, &done.outcome, room)).collect();
        for (done, settlement) in batch.iter().zip(&settlements) {
            // In this order: a quota that is used up ends an outage, and pauses for its own reason.
            self.tell_breaker(done).await;
            if let Some(pause) = settlement.effects.app {
                self.pause(&done.job.claimed, &done.outcome, pause).await;
                reach(SETTLE_AFTER_PAUSE);
            }
        }
        let ended_at: Vec<_> = settlements.iter().map(|settlement| settlement.ended_at).collect();
        let settled = self.store(settlements).await;
        for ((done, ended_at), settled) in batch.into_iter().zip(ended_at).zip(settled) {
            // One that could not be stored is let go, and with it its slot.
            if let Some(settled) = settled {
                self.conclude(done, ended_at, settled, dispatch);
            }
        }
    }

    /// What an outcome does, by the ledger's rules.
    pub fn settlement(&self, claimed: &Claimed, outcome: &Outcome, room: bool) -> Settlement {
        let now = self.clock.now();
        let effects = settle(&claimed.in_flight(), outcome, now, crate::random::unit());
        self.report.attempt_ended(outcome, now.since(claimed.claimed_at));
        // What is scheduled and due, and was not looked at for want of a place, may be an older one of this user: then
        // whose turn it is, is for the look to say.
        let is_overdue = claimed.id.lane().is_some_and(|lane| self.timers.is_timer_due(lane, now));
        let is_open = claimed.id.lane().is_some_and(|lane| self.owned.epoch(lane).is_some());
        // A paused app's next message would meet the same refusal.
        let room = room && effects.app.is_none() && !is_overdue && is_open;
        claimed.settlement(now, outcome.clone(), effects, room)
    }

    /// Stores, however often the store fails, one answer each, in order. Gives up when the process is told to end, and
    /// on what a damaged page keeps from being stored: that would hold up all others for ever.
    async fn store(&self, settlements: Vec<Settlement>) -> Vec<Option<Settled>> {
        let mut failures = 0_u32;
        loop {
            match self.store.settle(settlements.clone()).await {
                Ok(settled) => return settled.into_iter().map(Some).collect(),
                Err(error @ StoreError::Corrupt(_)) => {
                    let [guilty] = settlements.as_slice() else {
                        return self.store_each(settlements).await;
                    };
                    tracing::error!(
                        %error, message = %guilty.id, outcome = guilty.outcome.text(),
                        "its outcome cannot be stored; after the next start it is treated as unanswered"
                    );
                    return vec![None];
                }
                // An outcome that cannot be stored is kept, for it cannot be had again.
                Err(error) => {
                    if failures == 0 {
                        tracing::error!(%error, count = settlements.len(), "outcomes cannot be stored; keeping on trying");
                    }
                    failures += 1;
                    if self.stop.is_stopping() && failures > 3 {
                        tracing::error!(
                            count = settlements.len(),
                            "giving up: after the next start these messages are treated as unanswered"
                        );
                        return settlements.iter().map(|_| None).collect();
                    }
                    pace::store_failed().await;
                }
            }
        }
    }

    /// Each alone, so that only the guilty one pays.
    async fn store_each(&self, settlements: Vec<Settlement>) -> Vec<Option<Settled>> {
        let mut settled = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            settled.append(&mut Box::pin(self.store(vec![settlement])).await);
        }
        settled
    }

    fn conclude(&self, done: Done, ended_at: UnixMillis, settled: Settled, dispatch: &Dispatch) {
        let Job { claimed, slot, flight } = done.job;
        self.announce(&claimed, &settled);
        // Not in a recovery: what was in flight then was attempted when this process did not listen yet.
        if settled.state == Some(MessageState::Unknown) && matches!(done.outcome, Outcome::Unanswered { .. })
        {
            self.silence.lost(&claimed, ended_at);
        }
        if let Some(next) = settled.next {
            reach(SETTLE_BEFORE_NEXT);
            dispatch.send(Job { claimed: next, slot, flight });
        }
    }

    /// Tells what the store does not know: that a message which is tried again soon will rest then, for its app's
    /// breaker is open by now.
    pub fn announce(&self, claimed: &Claimed, settled: &Settled) {
        match settled.state {
            Some(MessageState::Ready) if self.apps.is_breaker_open(&claimed.appid) => {
                self.report.rests(claimed.id, MessageState::Ready, settled.reason);
            }
            Some(_) => {}
            None => {
                tracing::warn!(
                    message = %claimed.id,
                    "its outcome came too late: it was settled already, or its lane is another's"
                );
            }
        }
    }

    /// Tells the app's breaker how an attempt ended.
    async fn tell_breaker(&self, done: &Done) {
        let claimed = &done.job.claimed;
        if let Err(error) = self.apps.hear(claimed, &done.outcome, done.evidence).await {
            tracing::error!(%error, app = %claimed.appid, "what was heard of WeChat cannot be stored");
        }
    }

    async fn pause(&self, claimed: &Claimed, outcome: &Outcome, pause: AppPause) {
        let detail = describe(outcome.errcode(), outcome.text());
        if let Err(error) = self.apps.pause(&claimed.appid, pause, outcome.errcode(), detail).await {
            // The next refusal will say it again.
            tracing::error!(%error, app = %claimed.appid, "the app's pause cannot be stored");
        }
    }
}

/// Ends when the process is stopping and nothing is in flight any more.
async fn drained(stop: &Stop, slots: &Slots) {
    stop.stopping().await;
    slots.all_free().await;
}

fn describe(errcode: Option<Errcode>, text: &str) -> String {
    match errcode.and_then(Errcode::info) {
        Some(info) => format!("{} ({text})", info.explanation_en()),
        None => text.to_owned(),
    }
}
