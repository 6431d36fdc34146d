//! When to look at each lane next.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{LANES, Lane};
use hongyan_sync::moments::Moments;
use tokio::sync::Notify;

/// When to look at each lane next. What it promises about rings, and how, is [`Moments`]'.
///
/// A *timer* is of what may be scheduled: while one lies in the past, or is being looked at, no new message of the
/// lane is started at once, for it might overtake an older one of its user. What is `ready` does not count for that:
/// the store itself lets no newer one of its user past it.
#[derive(Clone, Default)]
pub struct Timers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    moments: Moments<{ LANES as usize }>,
    changed: Notify,
}

impl Timers {
    /// Look at this lane at `at`, or earlier, whatever it is that is due then.
    pub fn ring(&self, lane: Lane, at: UnixMillis) {
        self.tell(self.0.moments.ring(lane.index(), at.0));
    }

    /// Look at this lane at `at`, or earlier: a message that is `ready` can go on then.
    pub fn ring_ready(&self, lane: Lane, at: UnixMillis) {
        self.tell(self.0.moments.ring_ready(lane.index(), at.0));
    }

    /// The lane is being acquired: keep what rings from now on.
    pub fn open(&self, lane: Lane) {
        self.0.moments.open(lane.index());
    }

    /// The lane is ours: begin to look.
    pub fn start(&self, lane: Lane) {
        self.0.moments.start(lane.index());
        self.0.changed.notify_one();
    }

    /// The lane is another's: forget it.
    pub fn close(&self, lane: Lane) {
        self.0.moments.close(lane.index());
    }

    /// Whether something in this lane that may be scheduled is due and was not looked at yet. Of another's lane that
    /// is not known, so it is taken for true.
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

    /// Waits until a lane may be due earlier than it was. For one task: a change that came before is not missed.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The look is over; what it saw wants the next one at `next`.
    pub(crate) fn end_look(&self, lane: Lane, next: UnixMillis) {
        self.0.moments.end_look(lane.index(), next.0);
    }

    /// The lanes to look at now.
    pub(crate) fn due(&self, now: UnixMillis) -> Vec<Lane> {
        let due = self.0.moments.due(now.0);
        due.into_iter().filter_map(|place| Lane::new(place as u8)).collect()
    }

    /// When the next one is due.
    pub(crate) fn earliest(&self) -> UnixMillis {
        UnixMillis(self.0.moments.earliest())
    }
}
