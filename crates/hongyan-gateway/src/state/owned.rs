//! Which lanes this node has.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hongyan_ledger::{LANES, Lane};
use hongyan_store::types::{Claimed, Epoch};

/// The epochs under which this node has its lanes. Clones share them.
#[derive(Clone)]
pub struct Owned(Arc<[AtomicU64; LANES as usize]>);

/// Stands for no epoch: the first one of a lane is 1.
const NONE: u64 = 0;

impl Default for Owned {
    fn default() -> Self {
        Self(Arc::new(array::from_fn(|_| AtomicU64::new(NONE))))
    }
}

impl Owned {
    /// The epoch under which this node has the lane, if it has it.
    ///
    /// It may be over by the time at which it is used. That is safe: the store compares it in the transaction that
    /// uses it.
    pub fn epoch(&self, lane: Lane) -> Option<Epoch> {
        match self.0[lane.index()].load(Ordering::Acquire) {
            NONE => None,
            epoch => Some(Epoch(epoch)),
        }
    }

    /// Whether a claimed message is still this node's to send. Asked just before the request is written, for somebody
    /// else may have taken the message for lost since it was claimed.
    pub fn may_send(&self, claimed: &Claimed) -> bool {
        claimed.id.lane().and_then(|lane| self.epoch(lane)) == Some(claimed.epoch)
    }

    pub(crate) fn set(&self, lane: Lane, epoch: Option<Epoch>) {
        self.0[lane.index()].store(epoch.map_or(NONE, |epoch| epoch.0), Ordering::Release);
    }
}
