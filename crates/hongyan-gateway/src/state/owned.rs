//! The lanes of this node: how long the lease lasts, and how much of each lane is in flight.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::{LANES, Lane};
use hongyan_store::types::{Claimed, Epoch};
use hongyan_wechat::AppId;
use tokio::sync::watch;

/// The lanes of this node. Clones share them.
#[derive(Clone)]
pub struct Owned(Arc<Inner>);

struct Inner {
    /// The clock of leases: the clock of the machine.
    machine: Clock,
    /// The end of the lease, in milliseconds.
    until: AtomicI64,
    /// The epoch of each lane, and [`SHUT`].
    lanes: [AtomicU64; LANES as usize],
    /// How many messages of each lane are in flight.
    in_flight: [AtomicU32; LANES as usize],
    /// Counts changes that tasks may wait for: lanes acquired or lost, a renewed lease, a shut lane that became empty.
    changed: watch::Sender<u64>,
}

/// The number of a lane without an epoch. The first epoch of a lane is 1.
const NONE: u64 = 0;

/// A bit in a lane's number: no new work begins in the lane, because it is being acquired or given up.
const SHUT: u64 = 1 << 63;

/// Whether a claimed message may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaySend {
    /// The message may be sent.
    Now,
    /// The lease has ended and was not renewed yet: this node may have lost the lane.
    NotYet,
    /// Another node has the lane, and takes the message for lost.
    Never,
}

impl Owned {
    /// No lanes and no lease. `machine` is the clock that measures leases.
    pub fn new(machine: Clock) -> Self {
        Self(Arc::new(Inner {
            machine,
            until: AtomicI64::new(i64::MIN),
            lanes: array::from_fn(|_| AtomicU64::new(NONE)),
            in_flight: array::from_fn(|_| AtomicU32::new(0)),
            changed: watch::Sender::new(0),
        }))
    }

    /// The epoch under which this node has the lane, if new work may begin in the lane.
    ///
    /// The epoch may be over when it is used. That is safe, because the store compares the epoch in the transaction that
    /// uses it.
    pub fn epoch(&self, lane: Lane) -> Option<Epoch> {
        let number = self.number(lane);
        (number != NONE && number & SHUT == 0 && !self.is_over()).then_some(Epoch(number))
    }

    /// The epoch under which this node has the lane, even if no new work begins in it or the lease may have ended.
    pub fn held(&self, lane: Lane) -> Option<Epoch> {
        let number = self.number(lane) & !SHUT;
        (number != NONE).then_some(Epoch(number))
    }

    /// The epoch of the lane, if the lane is shut.
    pub(crate) fn shut_epoch(&self, lane: Lane) -> Option<Epoch> {
        (self.number(lane) & SHUT != 0).then(|| self.held(lane))?
    }

    /// Whether this node does the work that one node does for all: the node with the first lane.
    pub fn is_first(&self) -> bool {
        self.epoch(Lane::all().next().expect("there is more than one lane")).is_some()
    }

    /// How many lanes this node has.
    pub fn count(&self) -> usize {
        Lane::all().filter(|&lane| self.held(lane).is_some()).count()
    }

    /// Whether this node does the work for the app as a whole: the node with the app's lane.
    pub(crate) fn has_app(&self, appid: &AppId) -> bool {
        self.epoch(Lane::of_app(appid)).is_some()
    }

    /// Waits until this node has the first lane.
    pub(crate) async fn is_first_of_all(&self) {
        let mut changed = self.watch();
        while !self.is_first() {
            // The sender lives in `self`.
            drop(changed.changed().await);
        }
    }

    /// Whether this node may still send a claimed message. Asked just before the request is written, because another node
    /// may have taken the message for lost since the claim.
    pub fn may_send(&self, claimed: &Claimed) -> MaySend {
        if claimed.id.lane().and_then(|lane| self.held(lane)) != Some(claimed.epoch) {
            MaySend::Never
        } else if self.is_over() {
            MaySend::NotYet
        } else {
            MaySend::Now
        }
    }

    /// The lease was renewed until this moment.
    pub(crate) fn renewed(&self, until: UnixMillis) {
        self.0.until.store(until.0, Ordering::Release);
        self.tell();
    }

    /// This node has the lane, and work may begin in it.
    pub(crate) fn open(&self, lane: Lane, epoch: Epoch) {
        self.set(lane, epoch.0);
    }

    /// This node has the lane, and no new work begins in it.
    pub(crate) fn shut(&self, lane: Lane, epoch: Epoch) {
        self.set(lane, epoch.0 | SHUT);
    }

    /// This node does not have the lane.
    pub(crate) fn lose(&self, lane: Lane) {
        self.set(lane, NONE);
    }

    /// Counts something of this lane as in flight until the returned value is dropped.
    pub(crate) fn flight(&self, lane: Lane) -> Flight {
        self.0.in_flight[lane.index()].fetch_add(1, Ordering::AcqRel);
        Flight { owned: self.clone(), lane }
    }

    /// Whether nothing of this lane is in flight.
    pub(crate) fn is_empty(&self, lane: Lane) -> bool {
        self.0.in_flight[lane.index()].load(Ordering::Acquire) == 0
    }

    /// Receives changes from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    fn is_over(&self) -> bool {
        self.0.machine.now().0 >= self.0.until.load(Ordering::Acquire)
    }

    fn number(&self, lane: Lane) -> u64 {
        self.0.lanes[lane.index()].load(Ordering::Acquire)
    }

    fn set(&self, lane: Lane, number: u64) {
        self.0.lanes[lane.index()].store(number, Ordering::Release);
        self.tell();
    }

    fn tell(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }
}

/// Something of a lane that is in flight, from before the claim until the outcome is stored.
pub(crate) struct Flight {
    owned: Owned,
    lane: Lane,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let before = self.owned.0.in_flight[self.lane.index()].fetch_sub(1, Ordering::AcqRel);
        if before == 1 && self.owned.number(self.lane) & SHUT != 0 {
            self.owned.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_owned_is_owned_until_the_lease_is_over() {
        let machine = Clock::system();
        let (owned, lane) = (Owned::new(machine.clone()), Lane::new(7).unwrap());
        owned.open(lane, Epoch(3));
        assert_eq!((owned.epoch(lane), owned.held(lane)), (None, Some(Epoch(3))), "there is no lease yet");
        owned.renewed(machine.now().plus(Duration::from_secs(60)));
        assert_eq!(owned.epoch(lane), Some(Epoch(3)));
        machine.advance(60_000);
        assert_eq!((owned.epoch(lane), owned.held(lane)), (None, Some(Epoch(3))));
    }

    #[test]
    fn who_waits_for_a_shut_lane_hears_that_it_is_empty() {
        let (owned, lane) = (Owned::new(Clock::system()), Lane::new(7).unwrap());
        owned.shut(lane, Epoch(3));
        let (first, second) = (owned.flight(lane), owned.flight(lane));
        let changed = owned.watch();
        drop(first);
        assert!(!changed.has_changed().unwrap() && !owned.is_empty(lane));
        drop(second);
        assert!(changed.has_changed().unwrap() && owned.is_empty(lane));
    }
}
