//! Schedule: looks at a lane when something in it is due.
//!
//! What is due stands in the store, in order. In memory there is one moment per lane: when to look next. So ten
//! messages or ten million cost the same memory, and a restart has nothing to rebuild but 64 numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::{LANES, Lane};
use hongyan_store::types::ClaimBatch;
use hongyan_store::{Store, StoreError};
use tokio::sync::Notify;

use crate::dispatch::{Dispatch, Job, Slot};
use crate::report::Report;
use crate::stop::Stop;

/// The most messages that one look at one lane starts: enough to fill the slots, few enough that the writer is
/// not held long.
const MAX_CLAIM: usize = 64;

/// When to look again at a lane whose look failed.
const STORE_RETRY: Duration = Duration::from_millis(500);

/// When to look at each lane next.
///
/// A ring may come from anywhere and is never lost: it only ever makes a lane's moment earlier, and a look takes
/// the moment away *before* it reads the store, so a ring that comes during the look leads to another look.
#[derive(Clone)]
pub struct Timers(Arc<Moments>);

struct Moments {
    wake_at: [AtomicI64; LANES as usize],
    changed: Notify,
}

impl Default for Timers {
    fn default() -> Self {
        Self(Arc::new(Moments {
            wake_at: std::array::from_fn(|_| AtomicI64::new(i64::MAX)),
            changed: Notify::new(),
        }))
    }
}

impl Timers {
    /// Look at this lane at `at`, or earlier.
    pub fn ring(&self, lane: Lane, at: UnixMillis) {
        if self.0.wake_at[lane.index()].fetch_min(at.0, Ordering::SeqCst) > at.0 {
            self.0.changed.notify_one();
        }
    }

    /// Look at every lane at `at`, or earlier.
    pub fn ring_all(&self, at: UnixMillis) {
        Lane::all().for_each(|lane| self.ring(lane, at));
    }

    /// Whether something in this lane is due and was not looked at yet.
    pub fn is_due(&self, lane: Lane, now: UnixMillis) -> bool {
        self.0.wake_at[lane.index()].load(Ordering::SeqCst) <= now.0
    }

    fn take(&self, lane: Lane) {
        self.0.wake_at[lane.index()].store(i64::MAX, Ordering::SeqCst);
    }

    fn earliest(&self) -> UnixMillis {
        let earliest = self.0.wake_at.iter().map(|at| at.load(Ordering::SeqCst)).min();
        earliest.map_or(UnixMillis::MAX, UnixMillis)
    }
}

/// What scheduling works with.
pub struct Scheduler {
    /// Where the messages are.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// When to look where.
    pub timers: Timers,
    /// Whom to give what is started.
    pub dispatch: Dispatch,
    /// Whom to tell about messages that end without a request.
    pub report: Report,
}

impl Scheduler {
    /// Runs until it is told to stop.
    pub async fn run(self, stop: Stop) {
        tokio::select! {
            () = self.look_for_ever() => {}
            () = stop.stopping() => {}
        }
    }

    async fn look_for_ever(&self) {
        let mut first = 0;
        loop {
            let now = self.clock.now();
            let due: Vec<Lane> = Lane::all().filter(|&lane| self.timers.is_due(lane, now)).collect();
            if due.is_empty() {
                tokio::select! {
                    () = self.clock.sleep_until(self.timers.earliest()) => {}
                    () = self.timers.0.changed.notified() => {}
                }
                continue;
            }
            // Each round begins at another lane, so that none starves when slots are few.
            first = (first + 1) % due.len().max(1);
            let slots = self.take_slots(due.len() * MAX_CLAIM).await;
            self.look(&due, first, slots, now).await;
        }
    }

    /// At least one slot; more if they are free; never more than `wanted`.
    async fn take_slots(&self, wanted: usize) -> Vec<Slot> {
        let mut slots = vec![self.dispatch.slots.take().await];
        while slots.len() < wanted
            && let Some(slot) = self.dispatch.slots.try_take()
        {
            slots.push(slot);
        }
        slots
    }

    /// Looks at as many of the due lanes as there are slots for, all at once: their commits are one.
    async fn look(&self, due: &[Lane], first: usize, mut slots: Vec<Slot>, now: UnixMillis) {
        let lanes = due.len().min(slots.len());
        let share = (slots.len() / lanes).min(MAX_CLAIM);
        let looks = (0..lanes).map(|n| {
            let lane = due[(first + n) % due.len()];
            let slots = slots.split_off(slots.len() - share);
            async move {
                self.timers.take(lane);
                (lane, slots, self.store.claim(lane, now, share as u32).await)
            }
        });
        let looks: Vec<_> = looks.collect();
        drop(slots);
        for (lane, slots, batch) in join_all(looks).await {
            self.carry_out(lane, slots, batch);
        }
    }

    fn carry_out(&self, lane: Lane, slots: Vec<Slot>, batch: Result<ClaimBatch, StoreError>) {
        match batch {
            Ok(batch) => {
                for (claimed, slot) in batch.claimed.into_iter().zip(slots) {
                    self.dispatch.send(Job { claimed: Box::new(claimed), slot });
                }
                for ended in &batch.ended {
                    self.report.moved(ended);
                }
                if let Some(at) = batch.next_wake {
                    self.timers.ring(lane, at);
                }
            }
            Err(error) => {
                tracing::error!(%error, lane = lane.number(), "a lane cannot be looked at; trying again");
                self.timers.ring(lane, self.clock.now().plus(STORE_RETRY));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_only_ever_makes_a_lane_earlier() {
        let timers = Timers::default();
        let lane = Lane::new(7).unwrap();
        timers.ring(lane, UnixMillis(50));
        timers.ring(lane, UnixMillis(90));
        assert_eq!(timers.earliest(), UnixMillis(50));
        assert!(timers.is_due(lane, UnixMillis(50)) && !timers.is_due(lane, UnixMillis(49)));
        timers.take(lane);
        assert_eq!(timers.earliest(), UnixMillis::MAX);
    }
}
