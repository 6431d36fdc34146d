//! Schedule: looks at a lane when something in it is due.
//!
//! The store keeps the due messages in order. Memory holds one time per lane: when to look next. So ten messages or ten
//! million need the same memory, and a restart rebuilds only 64 numbers.

use std::sync::Arc;

use futures_util::future::join_all;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_failpoints::{CLAIM_BEFORE_DISPATCH, reach};
use hongyan_ledger::Lane;
use hongyan_store::types::ClaimBatch;
use hongyan_store::{Store, StoreError};

use crate::dispatch::Dispatch;
use crate::job::Job;
use crate::pace;
use crate::slots::Slot;
use crate::state::owned::Owned;
use crate::state::timers::Timers;
use crate::stop::Stop;

/// The most messages that one look at one lane starts: enough to fill the slots, few enough that the writer is
/// not held long.
const MAX_CLAIM: usize = 64;

/// Starts the messages that are due.
pub struct Scheduler {
    /// Has the messages.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// When to look at which lane.
    pub timers: Timers,
    /// Which lanes are this node's.
    pub owned: Owned,
    /// Receives the started messages.
    pub dispatch: Dispatch,
}

impl Scheduler {
    /// Runs until it is told to stop. A look that has begun is finished first: a claimed message that is not handed on would
    /// count as sent without an answer.
    pub async fn run(self, stop: Stop) {
        let mut first = 0;
        while !stop.is_stopping() {
            let now = self.clock.now();
            let due = self.timers.due(now);
            if due.is_empty() {
                tokio::select! {
                    () = self.clock.sleep_until(self.timers.earliest()) => {}
                    () = self.timers.changed() => {}
                    () = stop.stopping() => {}
                }
                continue;
            }
            // Each round begins at another lane, so that no lane starves when slots are few.
            first = (first + 1) % due.len().max(1);
            let slots = tokio::select! {
                slots = self.take_slots(due.len() * MAX_CLAIM) => slots,
                () = stop.stopping() => return,
            };
            self.look(&due, first, slots, now).await;
        }
    }

    /// Takes half of the free slots, because new messages need slots too; at least one, and at most `wanted`.
    async fn take_slots(&self, wanted: usize) -> Vec<Slot> {
        let mut slots = vec![self.dispatch.slots.take().await];
        let wanted = wanted.min(1 + self.dispatch.slots.free() as usize / 2);
        while slots.len() < wanted
            && let Some(slot) = self.dispatch.slots.try_take()
        {
            slots.push(slot);
        }
        slots
    }

    /// Looks at as many due lanes as there are slots, concurrently, so that the store commits them together.
    async fn look(&self, due: &[Lane], first: usize, mut slots: Vec<Slot>, now: UnixMillis) {
        let lanes = due.len().min(slots.len());
        let share = (slots.len() / lanes).min(MAX_CLAIM);
        let looks = (0..lanes).map(|n| {
            let lane = due[(first + n) % due.len()];
            let slots = slots.split_off(slots.len() - share);
            async move {
                self.timers.begin_look(lane);
                // Taken before the claim, so that the lane is not handed over meanwhile.
                let _flight = self.owned.flight(lane);
                let batch = match self.owned.epoch(lane) {
                    Some(epoch) => self.store.claim(lane, epoch, now, share as u32).await,
                    None => Ok(None),
                };
                self.carry_out(lane, slots, batch);
            }
        });
        let looks: Vec<_> = looks.collect();
        drop(slots);
        join_all(looks).await;
    }

    fn carry_out(&self, lane: Lane, slots: Vec<Slot>, batch: Result<Option<ClaimBatch>, StoreError>) {
        match batch {
            // The lane was lost meanwhile. If it was acquired again, that has set its timer.
            Ok(None) => self.timers.end_look(lane, UnixMillis::MAX),
            Ok(Some(batch)) => {
                if !batch.claimed.is_empty() {
                    reach(CLAIM_BEFORE_DISPATCH);
                }
                for (claimed, slot) in batch.claimed.into_iter().zip(slots) {
                    let flight = self.owned.flight(lane);
                    self.dispatch.send(Job { claimed: Box::new(claimed), slot, flight });
                }
                self.timers.end_look(lane, batch.next_wake.unwrap_or(UnixMillis::MAX));
            }
            Err(error) => {
                tracing::error!(%error, lane = lane.number(), "the due messages of a lane cannot be claimed; trying again");
                self.timers.end_look(lane, pace::store_retry_at(self.clock.now()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> (Timers, Lane) {
        let (timers, lane) = (Timers::default(), Lane::new(7).unwrap());
        timers.open(lane);
        timers.start(lane);
        (timers, lane)
    }

    #[test]
    fn what_rings_while_a_lane_is_acquired_is_kept_and_what_rings_after_it_was_lost_is_not() {
        let (timers, lane) = (Timers::default(), Lane::new(7).unwrap());
        timers.ring(lane, UnixMillis(10));
        timers.open(lane);
        timers.ring_ready(lane, UnixMillis(50));
        assert!(timers.due(UnixMillis(99)).is_empty(), "not before this node has the lane");
        timers.start(lane);
        assert_eq!(timers.earliest(), UnixMillis(50));
        timers.begin_look(lane);
        timers.close(lane);
        timers.ring(lane, UnixMillis(60));
        timers.end_look(lane, UnixMillis(70));
        assert_eq!(timers.earliest(), UnixMillis::MAX);
        assert!(
            timers.is_timer_due(lane, UnixMillis(0)),
            "no message is started at once in the lane of another node"
        );
    }

    #[test]
    fn a_ring_only_ever_makes_a_lane_earlier() {
        let (timers, lane) = ours();
        timers.ring(lane, UnixMillis(50));
        timers.ring(lane, UnixMillis(90));
        timers.ring_ready(lane, UnixMillis(40));
        assert_eq!(timers.earliest(), UnixMillis(40));
        assert!(timers.is_timer_due(lane, UnixMillis(50)) && !timers.is_timer_due(lane, UnixMillis(49)));
    }

    #[test]
    fn a_ring_during_a_look_outlives_it() {
        let (timers, lane) = ours();
        timers.ring(lane, UnixMillis(50));
        timers.begin_look(lane);
        assert!(timers.is_timer_due(lane, UnixMillis(50)), "until the look ends");
        timers.ring_ready(lane, UnixMillis(60));
        timers.end_look(lane, UnixMillis(900));
        assert_eq!(timers.due(UnixMillis(60)), [lane]);
        assert!(!timers.is_timer_due(lane, UnixMillis(60)));
        timers.begin_look(lane);
        timers.end_look(lane, UnixMillis::MAX);
        assert_eq!(timers.earliest(), UnixMillis::MAX);
    }
}
