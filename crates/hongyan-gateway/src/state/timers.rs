//! When to look at each lane next.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{LANES, Lane};
use hongyan_sync::moments::Moments;
use tokio::sync::Notify;

/// When to look at each lane next. [`Moments`] documents its guarantees about rings.
///
/// A *timer* belongs to scheduled messages: while a timer of a lane is overdue, or is being looked at, no new message of the
/// lane is started at once, because the new message might overtake an older message of its user. Messages that are `ready`
/// do not count: the store itself lets no newer message of the same user past them.
#[derive(Clone, Default)]
pub struct Timers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    moments: Moments<{ LANES as usize }>,
    changed: Notify,
}

impl Timers {
    /// Look at this lane at `at` or earlier, whatever is due then.
    pub fn ring(&self, lane: Lane, at: UnixMillis) {
        self.tell(self.0.moments.ring(lane.index(), at.0));
    }

    /// Look at this lane at `at` or earlier: a `ready` message can continue then.
    pub fn ring_ready(&self, lane: Lane, at: UnixMillis) {
        self.tell(self.0.moments.ring_ready(lane.index(), at.0));
    }

    /// The lane is being acquired: record rings from now on.
    pub fn open(&self, lane: Lane) {
        self.0.moments.open(lane.index());
    }

    /// This node has the lane: begin to look.
    pub fn start(&self, lane: Lane) {
        self.0.moments.start(lane.index());
        self.0.changed.notify_one();
    }

    /// Another node has the lane: forget its timers.
    pub fn close(&self, lane: Lane) {
        self.0.moments.close(lane.index());
    }

    /// Whether a scheduled message of this lane is due and was not looked at yet. Always true for the lane of another node,
    /// whose timers are unknown here.
    pub fn is_timer_due(&self, lane: Lane, now: UnixMillis) -> bool {
        self.0.moments.is_timer_due(lane.index(), now.0)
    }

    fn tell(&self, is_earlier: bool) {
        if is_earlier {
            self.0.changed.notify_one();
        }
    }

    pub(crate) fn begin_look(&self, lane: Lane) {
        self.0.moments.begin_look(lane.index());
    }

    /// Waits until a lane may be due earlier than before. For one task: a change before the call is not missed.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The look has ended; the next look is at `next`.
    pub(crate) fn end_look(&self, lane: Lane, next: UnixMillis) {
        self.0.moments.end_look(lane.index(), next.0);
    }

    /// The lanes to look at now.
    pub(crate) fn due(&self, now: UnixMillis) -> Vec<Lane> {
        let due = self.0.moments.due(now.0);
        due.into_iter().filter_map(|place| Lane::new(place as u8)).collect()
    }

    /// When the next lane is due.
    pub(crate) fn earliest(&self) -> UnixMillis {
        UnixMillis(self.0.moments.earliest())
    }
}
