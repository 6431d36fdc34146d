//! Lanes: the slices of all users that this node works for.
//!
//! A node leases its share of the lanes, and renews the lease three times within its duration. The node has a lane from
//! acquiring it until losing it or giving it up. All state in memory about the lane's messages (when to look next, what is
//! in flight) lives as long: it is built from the store, and dropped with the lane. A single node has all lanes, but
//! acquires them in the same way as the lanes of a node that died.
//!
//! ```text
//!            acquire                  in the store: the next epoch; messages in flight have no outcome
//! nobody's ──────────▶ shut ─▶ open   shut: rings are recorded, nothing is looked at yet
//!    ▲                           │
//!    ├── release ◀── shut ◀──────┤    too many lanes: nothing new begins; released when nothing is in flight
//!    └─────── lose ◀─────────────┘    another node has the lane: work under way has an old epoch, the store refuses its outcome
//! ```

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use hongyan_clock::{Clock, UnixMillis};
use hongyan_failpoints::{
    RECOVER_AFTER_ACQUIRE, RECOVER_AFTER_SETTLE, RECOVER_BEFORE_SETTLE, RECOVER_DONE, reach,
};
use hongyan_ledger::Lane;
use hongyan_ledger::settle::Outcome;
use hongyan_store::types::{LeaseOrder, Leased, Node, Standing};
use hongyan_store::{Store, StoreError};

use crate::settle::Settler;
use crate::state::owned::Owned;
use crate::state::timers::Timers;
use crate::stop::Stop;

/// How often a lease is renewed within its duration: a failed renewal can be tried twice more.
const RENEWALS: u32 = 3;

/// Acquires and releases lanes.
#[derive(Clone)]
pub struct Lanes {
    /// The store of the leases.
    pub store: Arc<dyn Store>,
    /// This node.
    pub node: Node,
    /// The duration of a lease.
    pub ttl: Duration,
    /// The clock that measures leases.
    pub machine: Clock,
    /// The clock of messages.
    pub clock: Clock,
    /// The lanes of this node.
    pub owned: Owned,
    /// When to look at the messages of each lane.
    pub timers: Timers,
    /// When to look at the events of each lane.
    pub event_timers: Timers,
    /// Settles the messages that the previous owner left in flight.
    pub settler: Settler,
    /// Signals that nodes or lanes may have changed.
    pub changes: LaneChanges,
}

/// Signals that a node joined or left, or that a lane was released. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct LaneChanges(Arc<tokio::sync::Notify>);

impl LaneChanges {
    /// Signals a change.
    pub fn tell(&self) {
        self.0.notify_one();
    }
}

impl Lanes {
    /// Registers this node and acquires the free lanes of its share. Returns how many messages were in flight.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn join(&self) -> Result<usize, StoreError> {
        let recovered = self.renew(true).await?;
        reach(RECOVER_DONE);
        Ok(recovered)
    }

    /// Renews the lease until the stop.
    pub async fn run(self, stop: Stop) {
        let mut changed = self.owned.watch();
        let mut has_failed = false;
        let mut next = self.machine.now().plus(self.ttl / RENEWALS);
        loop {
            changed.mark_unchanged();
            self.give_up_what_is_empty().await;
            tokio::select! {
                () = self.machine.sleep_until(next) => {}
                () = self.changes.0.notified() => {}
                // The sender lives in `self`.
                _ = changed.changed() => continue,
                () = stop.stopping() => return,
            }
            next = self.machine.now().plus(self.ttl / RENEWALS);
            match self.renew(false).await {
                Ok(_) => has_failed = false,
                Err(error) if has_failed => {
                    tracing::debug!(%error, "the lease of the lanes cannot be renewed");
                }
                Err(error) => {
                    has_failed = true;
                    tracing::error!(
                        %error,
                        "the lease of the lanes cannot be renewed; trying again. Nothing is sent after the lease ends"
                    );
                }
            }
        }
    }

    /// Renews the lease and applies the answer. Returns how many messages of acquired lanes were in flight.
    async fn renew(&self, is_first: bool) -> Result<usize, StoreError> {
        // Read the clock before the store is asked: the lease must not last longer here than in the store.
        let machine_now = self.machine.now();
        let until = machine_now.plus(self.ttl);
        let order =
            LeaseOrder { node: self.node.clone(), is_first, machine_now, until, now: self.clock.now() };
        match self.store.lease(order).await? {
            Leased::Held(standing) => self.follow(standing, until).await,
            Leased::Replaced => {
                tracing::error!(
                    node = %self.node.name,
                    "another gateway has started with this node_id: this gateway sends nothing any more. Give each gateway \
                     its own node_id"
                );
                Lane::all().for_each(|lane| self.lose(lane));
                Ok(0)
            }
        }
    }

    async fn follow(&self, standing: Standing, until: UnixMillis) -> Result<usize, StoreError> {
        for lane in Lane::all() {
            let Some(epoch) = self.owned.held(lane) else { continue };
            if !standing.lanes.contains(&(lane, epoch)) {
                tracing::warn!(lane = lane.number(), "another node has the lane now");
                self.lose(lane);
            } else if standing.give.contains(&lane) {
                self.shut(lane);
            }
        }
        self.owned.renewed(until);
        // Lanes that the store gives to this node, but that this node does not have: acquiring them failed half-way.
        let unknown = standing.lanes.iter().filter(|(lane, _)| self.owned.held(*lane).is_none());
        let (give, keep): (Vec<_>, Vec<_>) = unknown.partition(|(lane, _)| standing.give.contains(lane));
        try_join_all(give.into_iter().map(|&(lane, epoch)| self.store.release(lane, epoch))).await?;
        let wanted = keep.into_iter().map(|(lane, _)| *lane).chain(standing.take);
        // Concurrently, so that the store makes one commit of them.
        let taken_over = try_join_all(wanted.map(|lane| self.acquire(lane))).await?;
        Ok(taken_over.into_iter().sum())
    }

    /// Acquires a lane, if no other node has it: settles the messages that its last owner left in flight, builds the state
    /// in memory from the store, and begins to work. Returns how many messages were in flight.
    ///
    /// # Errors
    /// When the store fails; then the lane is free.
    pub async fn acquire(&self, lane: Lane) -> Result<usize, StoreError> {
        // Before the store is asked: a message that is accepted right after the answer of the store rings, and the answer
        // does not contain it.
        self.timers.open(lane);
        self.event_timers.open(lane);
        let taken = self.take_over(lane).await;
        if !matches!(taken, Ok(Some(_))) {
            self.lose(lane);
        }
        taken.map(Option::unwrap_or_default)
    }

    async fn take_over(&self, lane: Lane) -> Result<Option<usize>, StoreError> {
        let now = self.clock.now();
        let Some(acquired) = self.store.acquire(lane, &self.node.name, now).await? else { return Ok(None) };
        self.owned.shut(lane, acquired.epoch);
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
        self.event_timers.ring_ready(lane, now);
        self.owned.open(lane, acquired.epoch);
        self.timers.start(lane);
        self.event_timers.start(lane);
        reach(RECOVER_AFTER_ACQUIRE);
        Ok(Some(acquired.sending.len()))
    }

    /// Begins nothing new in a lane that is to be released.
    fn shut(&self, lane: Lane) {
        if let Some(epoch) = self.owned.epoch(lane) {
            self.owned.shut(lane, epoch);
            self.timers.close(lane);
            self.event_timers.close(lane);
        }
    }

    /// Releases the lanes in which nothing new begins and nothing is in flight any more.
    async fn give_up_what_is_empty(&self) {
        let empty = Lane::all()
            .filter(|&lane| self.owned.epoch(lane).is_none() && self.owned.is_empty(lane))
            .filter_map(|lane| Some((lane, self.owned.shut_epoch(lane)?)));
        let released = empty.map(async |(lane, epoch)| match self.store.release(lane, epoch).await {
            Ok(_) => self.owned.lose(lane),
            Err(error) => {
                tracing::warn!(%error, lane = lane.number(), "a lane cannot be released; trying again later");
            }
        });
        join_all(released).await;
    }

    /// Another node has the lane now, or must be assumed to have it: drops all state of the lane. Outcomes of messages in
    /// flight will not be stored; the new owner settles those messages as unanswered.
    pub fn lose(&self, lane: Lane) {
        self.owned.lose(lane);
        self.timers.close(lane);
        self.event_timers.close(lane);
    }

    /// Releases all lanes when nothing is in flight any more, and unregisters this node: the process is about to end.
    pub async fn leave(&self) {
        let held: Vec<_> = Lane::all().filter_map(|lane| Some((lane, self.owned.held(lane)?))).collect();
        for &(lane, _) in &held {
            self.lose(lane);
        }
        let released = try_join_all(held.into_iter().map(|(lane, epoch)| self.store.release(lane, epoch)));
        let left = async {
            released.await?;
            self.store.leave(self.node.clone()).await
        };
        if let Err(error) = left.await {
            // The next owner acquires the lanes all the same when the lease ends.
            tracing::warn!(%error, "the lanes cannot be released");
        }
    }
}
