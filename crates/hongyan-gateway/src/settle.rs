//! Settle: turns the outcomes of attempts into commits.
//!
//! One task takes all outcomes that have come in, lets the ledger decide what each does, and stores them in one call.
//! Meanwhile the next outcomes gather, so batches grow with the load.

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

/// The most outcomes in one call of the store. Far fewer gather during one commit.
const MAX_BATCH: usize = 512;

/// Settles outcomes. Clones share everything.
#[derive(Clone)]
pub struct Settler {
    /// Stores the outcomes.
    pub store: Arc<dyn Store>,
    /// The apps; a refusal may pause an app.
    pub apps: Apps,
    /// The time.
    pub clock: Clock,
    /// Tells whether an older message is due.
    pub timers: Timers,
    /// Tells whether a lane may start new messages.
    pub owned: Owned,
    /// Receives the results of attempts.
    pub report: Report,
    /// Tells whether the gateway is stopping and starts no new messages.
    pub stop: Stop,
    /// Receives the lost answers.
    pub silence: Silence,
}

impl Settler {
    /// Runs until the gateway is stopping and no message is in flight.
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
            // The breaker comes before the pause: a used-up quota proves that WeChat answers, so it first ends an outage and
            // then pauses the app for its own reason.
            self.tell_breaker(done).await;
            if let Some(pause) = settlement.effects.app {
                self.pause(&done.job.claimed, &done.outcome, pause).await;
                reach(SETTLE_AFTER_PAUSE);
            }
        }
        let ended_at: Vec<_> = settlements.iter().map(|settlement| settlement.ended_at).collect();
        let settled = self.store(settlements).await;
        for ((done, ended_at), settled) in batch.into_iter().zip(ended_at).zip(settled) {
            // An outcome that could not be stored is dropped, and its slot is freed.
            if let Some(settled) = settled {
                self.conclude(done, ended_at, settled, dispatch);
            }
        }
    }

    /// The settlement of an outcome, by the ledger's rules. `room`: the user's next message may be started.
    pub fn settlement(&self, claimed: &Claimed, outcome: &Outcome, room: bool) -> Settlement {
        let now = self.clock.now();
        let effects = settle(&claimed.in_flight(), outcome, now, crate::random::unit());
        self.report.attempt_ended(&claimed.appid, outcome, now.since(claimed.claimed_at));
        tracing::debug!(
            message_id = %claimed.id,
            app = %claimed.appid,
            attempt = claimed.attempt,
            outcome = outcome.name(),
            errcode = outcome.errcode().map(|errcode| errcode.0),
            request_id = claimed.origin.request_id.as_deref(),
            "an attempt ended"
        );
        // An overdue scheduled message of this user may be older than the next ready message. Then the next look at the lane
        // decides which message goes first.
        let is_overdue = claimed.id.lane().is_some_and(|lane| self.timers.is_timer_due(lane, now));
        let is_open = claimed.id.lane().is_some_and(|lane| self.owned.epoch(lane).is_some());
        // The next message of a paused app would get the same refusal.
        let room = room && effects.app.is_none() && !is_overdue && is_open;
        claimed.settlement(now, outcome.clone(), effects, room)
    }

    /// Stores settlements and retries while the store fails; one answer for each, in order. Gives up when the process must
    /// end, and on a settlement that a damaged page keeps from being stored, because it would block all others for ever.
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
                        %error, message_id = %guilty.id, outcome = guilty.outcome.text(),
                        "a message's outcome cannot be stored; after the next start the message is treated as unanswered"
                    );
                    return vec![None];
                }
                // The outcome is kept and tried again, because WeChat does not repeat it.
                Err(error) => {
                    if failures == 0 {
                        tracing::error!(%error, count = settlements.len(), "outcomes cannot be stored; trying again");
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

    /// Stores each settlement alone, so that only the one on the damaged page is lost.
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
        // Not after a restart: this process did not receive events yet when those messages were attempted.
        if settled.state == Some(MessageState::Unknown) && matches!(done.outcome, Outcome::Unanswered { .. })
        {
            self.silence.lost(&claimed, ended_at);
        }
        if let Some(next) = settled.next {
            reach(SETTLE_BEFORE_NEXT);
            dispatch.send(Job { claimed: next, slot, flight });
        }
    }

    /// Reports that a `ready` message rests if its app's breaker is open by now, which the store does not know. Logs an
    /// outcome that came too late.
    pub fn announce(&self, claimed: &Claimed, settled: &Settled) {
        match settled.state {
            Some(MessageState::Ready) if self.apps.is_breaker_open(&claimed.appid) => {
                self.report.rests(claimed.id, MessageState::Ready, settled.reason);
            }
            Some(_) => {}
            None => {
                tracing::warn!(
                    message_id = %claimed.id,
                    request_id = claimed.origin.request_id.as_deref(),
                    "a message's outcome came too late: the message was settled already, or another node has its lane"
                );
            }
        }
    }

    /// Tells the app's breaker how an attempt ended.
    async fn tell_breaker(&self, done: &Done) {
        let claimed = &done.job.claimed;
        if let Err(error) = self.apps.hear(claimed, &done.outcome, done.evidence).await {
            tracing::error!(%error, app = %claimed.appid, "the evidence about WeChat's availability cannot be stored");
        }
    }

    async fn pause(&self, claimed: &Claimed, outcome: &Outcome, pause: AppPause) {
        let detail = describe(outcome.errcode(), outcome.text());
        if let Err(error) = self.apps.pause(&claimed.appid, pause, outcome.errcode(), detail).await {
            // The next refusal pauses the app again.
            tracing::error!(%error, app = %claimed.appid, "the app's pause cannot be stored");
        }
    }
}

/// Returns when the process is stopping and no message is in flight.
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
