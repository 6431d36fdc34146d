//! Lanes: which slices of all users this node works for.
//!
//! A node has a lane from when it acquires it until it loses it, and everything that it keeps in memory about the
//! lane's messages (when to look next, what is in flight) lives as long: built from the store, dropped with the lane.
//! A single node has all lanes, but gets them in the same way in which it would get those of a node that died.
//!
//! ```text
//!           acquire                       in the store: the next epoch; what was in flight has no outcome
//! nobody's ─────────▶ opening ─▶ ours     opening: rings are kept, nothing is looked at yet
//!    ▲                             │
//!    └───────── lose, release ─────┘      what is still under way is of an old epoch: the store refuses its outcome
//! ```

use std::sync::Arc;

use futures_util::future::try_join_all;
use hongyan_clock::Clock;
use hongyan_failpoints::{
    RECOVER_AFTER_ACQUIRE, RECOVER_AFTER_SETTLE, RECOVER_BEFORE_SETTLE, RECOVER_DONE, reach,
};
use hongyan_ledger::Lane;
use hongyan_ledger::settle::Outcome;
use hongyan_store::{Store, StoreError};

use crate::settle::Settler;
use crate::state::owned::Owned;
use crate::state::timers::Timers;

/// Acquires lanes and gives them up.
#[derive(Clone)]
pub struct Lanes {
    /// Where it is written who has them.
    pub store: Arc<dyn Store>,
    /// This node's name.
    pub node: Arc<str>,
    /// The time.
    pub clock: Clock,
    /// What this node has.
    pub owned: Owned,
    /// When to look at which lane.
    pub timers: Timers,
    /// Settles what the owner before left in flight.
    pub settler: Settler,
}

impl Lanes {
    /// Makes a lane this node's: settles what its last owner left in flight, builds its memory from the store and
    /// begins to work. Returns how many messages were in flight.
    ///
    /// # Errors
    /// When the store fails; then the lane is nobody's.
    pub async fn acquire(&self, lane: Lane) -> Result<usize, StoreError> {
        // Before the store is asked: a message that is accepted right after the store has answered rings, and the
        // answer does not know of it.
        self.timers.open(lane);
        let taken = self.take_over(lane).await;
        if taken.is_err() {
            self.lose(lane);
        }
        taken
    }

    async fn take_over(&self, lane: Lane) -> Result<usize, StoreError> {
        let acquired = self.store.acquire(lane, &self.node, self.clock.now()).await?;
        let lost = Outcome::Unanswered { why: "the gateway ended while the request was in flight".into() };
        if !acquired.sending.is_empty() {
            let settlements =
                acquired.sending.iter().map(|claimed| self.settler.settlement(claimed, &lost, false));
            reach(RECOVER_BEFORE_SETTLE);
            let settled = self.store.settle(settlements.collect()).await?;
            reach(RECOVER_AFTER_SETTLE);
            for (claimed, settled) in acquired.sending.iter().zip(settled) {
                self.settler.announce(claimed, &settled);
            }
        }
        if let Some(at) = acquired.next_wake {
            self.timers.ring(lane, at);
        }
        self.owned.set(lane, Some(acquired.epoch));
        self.timers.start(lane);
        reach(RECOVER_AFTER_ACQUIRE);
        Ok(acquired.sending.len())
    }

    /// Makes all lanes this node's. Returns how many messages were in flight.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn acquire_all(&self) -> Result<usize, StoreError> {
        // All at once: the store makes one commit of them.
        let taken_over = try_join_all(Lane::all().map(|lane| self.acquire(lane))).await?;
        reach(RECOVER_DONE);
        Ok(taken_over.into_iter().sum())
    }

    /// Somebody else has the lane now, or it must be taken for so: forgets all about it. Outcomes of what is in flight
    /// will not be stored; whoever has the lane settles those messages as unanswered.
    pub fn lose(&self, lane: Lane) {
        self.owned.set(lane, None);
        self.timers.close(lane);
    }

    /// Gives all lanes up, when nothing is in flight any more: the process is about to end.
    pub async fn release_all(&self) {
        let held: Vec<_> = Lane::all().filter_map(|lane| Some((lane, self.owned.epoch(lane)?))).collect();
        for &(lane, _) in &held {
            self.lose(lane);
        }
        let released = try_join_all(held.into_iter().map(|(lane, epoch)| self.store.release(lane, epoch)));
        if let Err(error) = released.await {
            // The next owner acquires them all the same.
            tracing::warn!(%error, "the lanes cannot be released");
        }
    }
}
