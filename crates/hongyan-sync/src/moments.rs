//! When to look at each of a few places next.
//!
//! A ring may come from anywhere and is never lost: it only ever makes a place's moment earlier, and one that comes
//! while the place is being looked at (the look may have read before the ring's cause was written) outlives that
//! look. Times are plain numbers; the largest is never.
//!
//! A place is somebody else's until it is opened: what rings there before that is not kept, for whoever opens it reads
//! all that was written until then. So it is opened before that is read, and started after.

use crate::primitives::{Mutex, lock};

/// Later than any moment.
pub const NEVER: i64 = i64::MAX;

/// The moments of `N` places.
#[derive(Debug)]
pub struct Moments<const N: usize>(Mutex<[Moment; N]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// Somebody else's place: rings are not kept.
    Closed,
    /// It is being taken over: rings are kept, nothing is due yet.
    Opening,
    /// Ours.
    Ours,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    hold: Hold,
    /// When something of the strict kind is due.
    timer: i64,
    /// When something of the other kind is.
    ready: i64,
    /// The earliest rings of both kinds since the last look began.
    rung_timer: i64,
    rung_ready: i64,
}

impl Moment {
    const CLOSED: Self =
        Self { hold: Hold::Closed, timer: NEVER, ready: NEVER, rung_timer: NEVER, rung_ready: NEVER };

    fn wake_at(&self) -> i64 {
        if self.hold == Hold::Ours { self.timer.min(self.ready) } else { NEVER }
    }
}

impl<const N: usize> Default for Moments<N> {
    fn default() -> Self {
        Self(Mutex::new([Moment::CLOSED; N]))
    }
}

impl<const N: usize> Moments<N> {
    /// The place is being taken over: keep what rings from now on.
    pub fn open(&self, place: usize) {
        lock(&self.0)[place] = Moment { hold: Hold::Opening, ..Moment::CLOSED };
    }

    /// The place is ours. Whoever sleeps until the earliest moment must be told.
    pub fn start(&self, place: usize) {
        lock(&self.0)[place].hold = Hold::Ours;
    }

    /// The place is somebody else's: forget it.
    pub fn close(&self, place: usize) {
        lock(&self.0)[place] = Moment::CLOSED;
    }

    /// Look at this place at `at` or earlier. Whether that is earlier than before: then whoever sleeps until the
    /// earliest moment must be told.
    #[must_use]
    pub fn ring(&self, place: usize, at: i64) -> bool {
        self.earlier(place, |moment| {
            moment.rung_timer = moment.rung_timer.min(at);
            moment.timer = moment.timer.min(at);
        })
    }

    /// The same for what [`Self::is_timer_due`] does not count.
    #[must_use]
    pub fn ring_ready(&self, place: usize, at: i64) -> bool {
        self.earlier(place, |moment| {
            moment.rung_ready = moment.rung_ready.min(at);
            moment.ready = moment.ready.min(at);
        })
    }

    /// Whether something of the strict kind is due here, or is being looked at. Of somebody else's place that is not
    /// known, so it is taken for true.
    pub fn is_timer_due(&self, place: usize, now: i64) -> bool {
        let moment = lock(&self.0)[place];
        moment.hold != Hold::Ours || moment.timer <= now
    }

    /// A look begins, before anything is read: from here on rings count for the next one.
    pub fn begin_look(&self, place: usize) {
        let moment = &mut lock(&self.0)[place];
        (moment.rung_timer, moment.rung_ready) = (NEVER, NEVER);
    }

    /// The look is over; what it saw wants the next one at `next`.
    pub fn end_look(&self, place: usize, next: i64) {
        let moment = &mut lock(&self.0)[place];
        if moment.hold == Hold::Closed {
            return;
        }
        moment.timer = next.min(moment.rung_timer);
        moment.ready = moment.rung_ready;
    }

    /// The places that are due.
    pub fn due(&self, now: i64) -> Vec<usize> {
        let moments = lock(&self.0);
        (0..N).filter(|&place| moments[place].wake_at() <= now).collect()
    }

    /// When the first of all is due.
    pub fn earliest(&self) -> i64 {
        lock(&self.0).iter().map(Moment::wake_at).min().unwrap_or(NEVER)
    }

    fn earlier(&self, place: usize, change: impl FnOnce(&mut Moment)) -> bool {
        let moment = &mut lock(&self.0)[place];
        if moment.hold == Hold::Closed {
            return false;
        }
        let before = moment.wake_at();
        change(moment);
        moment.wake_at() < before
    }
}
