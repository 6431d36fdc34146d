//! Lanes: which slices of all users this node works for.
//!
//! A node leases its share of the lanes, and renews the lease three times in the time that it lasts. It has a lane from when
//! it acquires it until it loses it or gives it up, and everything that it keeps in memory about the lane's messages (when
//! to look next, what is in flight) lives as long: built from the store, dropped with the lane. A single node has all lanes,
//! but gets them in the same way in which it would get those of a node that died.
//!
//! ```text
//!            acquire                  in the store: the next epoch; what was in flight has no outcome
//! nobody's ──────────▶ shut ─▶ open   shut: rings are kept, nothing is looked at yet
//!    ▲                           │
//!    ├── release ◀── shut ◀──────┤    too many: nothing new begins; given up when nothing is in flight
//!    └─────── lose ◀─────────────┘    another has it: what is under way is of an old epoch, the store refuses its outcome
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

/// How often a lease is renewed in the time that it lasts: a renewal that fails has two more tries.
const RENEWALS: u32 = 3;

/// Acquires lanes and gives them up.
#[derive(Clone)]
pub struct Lanes {
    /// Where it is written who has them.
    pub store: Arc<dyn Store>,
    /// This node.
    pub node: Node,
    /// How long a lease lasts.
    pub ttl: Duration,
    /// The time that leases are measured with.
    pub machine: Clock,
    /// The time that messages have.
    pub clock: Clock,
    /// What this node has.
    pub owned: Owned,
    /// When to look at which lane's messages.
    pub timers: Timers,
    /// When to look at which lane's events.
    pub event_timers: Timers,
    /// Settles what the owner before left in flight.
    pub settler: Settler,
    /// Whether nodes or lanes may have changed.
    pub changes: LaneChanges,
}

/// Tells that a node came or went, or that a lane was given up. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct LaneChanges(Arc<tokio::sync::Notify>);

impl LaneChanges {
    /// One did.
    pub fn tell(&self) {
        self.0.notify_one();
    }
}

impl Lanes {
    /// Becomes a node and acquires what is free of its share. Returns how many messages were in flight.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn join(&self) -> Result<usize, StoreError> {
        let recovered = self.renew(true).await?;
        reach(RECOVER_DONE);
        Ok(recovered)
    }

    /// Renews the lease until it is told to stop.
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

    /// Renews the lease, and does what follows. Returns how many messages of acquired lanes were in flight.
    async fn renew(&self, is_first: bool) -> Result<usize, StoreError> {
        // Before the store is asked: the lease must not last longer here than there.
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
        // What the store has for this node's and this node does not know of: it was acquired, and then something failed.
        let unknown = standing.lanes.iter().filter(|(lane, _)| self.owned.held(*lane).is_none());
        let (give, keep): (Vec<_>, Vec<_>) = unknown.partition(|(lane, _)| standing.give.contains(lane));
        try_join_all(give.into_iter().map(|&(lane, epoch)| self.store.release(lane, epoch))).await?;
        let wanted = keep.into_iter().map(|(lane, _)| *lane).chain(standing.take);
        // All at once: the store makes one commit of them.
        let taken_over = try_join_all(wanted.map(|lane| self.acquire(lane))).await?;
        Ok(taken_over.into_iter().sum())
    }

    /// Makes a lane this node's, if no other node has it: settles what its last owner left in flight, builds its memory from
    /// the store and begins to work. Returns how many messages were in flight.
    ///
    /// # Errors
    /// When the store fails; then the lane is nobody's.
    pub async fn acquire(&self, lane: Lane) -> Result<usize, StoreError> {
        // Before the store is asked: a message that is accepted right after the store has answered rings, and the
        // answer does not know of it.
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

    /// Nothing new begins in a lane that is to be given up.
    fn shut(&self, lane: Lane) {
        if let Some(epoch) = self.owned.epoch(lane) {
            self.owned.shut(lane, epoch);
            self.timers.close(lane);
            self.event_timers.close(lane);
        }
    }

    /// Gives up the lanes in which nothing new begins and nothing is in flight any more.
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

    /// Somebody else has the lane now, or it must be taken for so: forgets all about it. Outcomes of what is in flight
    /// will not be stored; whoever has the lane settles those messages as unanswered.
    pub fn lose(&self, lane: Lane) {
        self.owned.lose(lane);
        self.timers.close(lane);
        self.event_timers.close(lane);
    }

    /// Gives all lanes up, when nothing is in flight any more, and is no node any more: the process is about to end.
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
            // The next owner acquires them all the same, when the lease is over.
            tracing::warn!(%error, "the lanes cannot be released");
        }
    }
}
