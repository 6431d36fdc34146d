//! Which lanes this node has, for how long, and how much of each is in flight.

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
    /// The clock of leases: the machine's.
    machine: Clock,
    /// Until when the lease lasts, in milliseconds.
    until: AtomicI64,
    /// The epoch of each lane, and [`SHUT`].
    lanes: [AtomicU64; LANES as usize],
    /// How many messages of each lane are in flight.
    in_flight: [AtomicU32; LANES as usize],
    /// Counts what others may wait for: lanes that came or went, a lease that was renewed, a shut lane that is empty.
    changed: watch::Sender<u64>,
}

/// Stands for no epoch: the first one of a lane is 1.
const NONE: u64 = 0;

/// Set in a lane's number while nothing new is begun in it: it is being acquired, or given up.
const SHUT: u64 = 1 << 63;

/// Whether a claimed message may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaySend {
    /// It may.
    Now,
    /// The lease is over and was not renewed yet: nobody knows whether the lane is still this node's.
    NotYet,
    /// The lane is another's, who takes the message for lost.
    Never,
}

impl Owned {
    /// No lanes, and no lease. `machine`: the clock that leases are measured with.
    pub fn new(machine: Clock) -> Self {
        Self(Arc::new(Inner {
            machine,
            until: AtomicI64::new(i64::MIN),
            lanes: array::from_fn(|_| AtomicU64::new(NONE)),
            in_flight: array::from_fn(|_| AtomicU32::new(0)),
            changed: watch::Sender::new(0),
        }))
    }

    /// The epoch under which this node has the lane, if it has it and new things may begin in it.
    ///
    /// It may be over by the time at which it is used. That is safe: the store compares it in the transaction that
    /// uses it.
    pub fn epoch(&self, lane: Lane) -> Option<Epoch> {
        let number = self.number(lane);
        (number != NONE && number & SHUT == 0 && !self.is_over()).then_some(Epoch(number))
    }

    /// The epoch under which this node has the lane, also if nothing new begins in it, and if the lease may be over.
    pub fn held(&self, lane: Lane) -> Option<Epoch> {
        let number = self.number(lane) & !SHUT;
        (number != NONE).then_some(Epoch(number))
    }

    /// The epoch under which this node has the lane, if it is shut.
    pub(crate) fn shut_epoch(&self, lane: Lane) -> Option<Epoch> {
        (self.number(lane) & SHUT != 0).then(|| self.held(lane))?
    }

    /// Whether this node does what one node does for all: it has the first lane.
    pub fn is_first(&self) -> bool {
        self.epoch(Lane::all().next().expect("there is more than one lane")).is_some()
    }

    /// Whether this node does what is done for an app as a whole: it has the app's lane.
    pub(crate) fn has_app(&self, appid: &AppId) -> bool {
        self.epoch(Lane::of_app(appid)).is_some()
    }

    /// Waits until it does.
    pub(crate) async fn is_first_of_all(&self) {
        let mut changed = self.watch();
        while !self.is_first() {
            // The sender lives in `self`.
            drop(changed.changed().await);
        }
    }

    /// Whether a claimed message is still this node's to send. Asked just before the request is written, for somebody
    /// else may have taken the message for lost since it was claimed.
    pub fn may_send(&self, claimed: &Claimed) -> MaySend {
        if claimed.id.lane().and_then(|lane| self.held(lane)) != Some(claimed.epoch) {
            MaySend::Never
        } else if self.is_over() {
            MaySend::NotYet
        } else {
            MaySend::Now
        }
    }

    /// The lease lasts until then.
    pub(crate) fn renewed(&self, until: UnixMillis) {
        self.0.until.store(until.0, Ordering::Release);
        self.tell();
    }

    /// The lane is this node's, and work begins in it.
    pub(crate) fn open(&self, lane: Lane, epoch: Epoch) {
        self.set(lane, epoch.0);
    }

    /// The lane is this node's, and nothing new begins in it.
    pub(crate) fn shut(&self, lane: Lane, epoch: Epoch) {
        self.set(lane, epoch.0 | SHUT);
    }

    /// The lane is not this node's.
    pub(crate) fn lose(&self, lane: Lane) {
        self.set(lane, NONE);
    }

    /// Something of this lane is in flight until this is dropped.
    pub(crate) fn flight(&self, lane: Lane) -> Flight {
        self.0.in_flight[lane.index()].fetch_add(1, Ordering::AcqRel);
        Flight { owned: self.clone(), lane }
    }

    /// Whether nothing of this lane is in flight.
    pub(crate) fn is_empty(&self, lane: Lane) -> bool {
        self.0.in_flight[lane.index()].load(Ordering::Acquire) == 0
    }

    /// Sees what changes from now on.
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

/// Something of a lane that is in flight, from before it is claimed until its outcome is stored.
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
