//! When to look at each of a few places next.
//!
//! A ring may come from anywhere and is never lost: a ring only ever makes a place's moment earlier. A look may have read
//! the store before the cause of a ring was written, so a ring that comes during a look still counts after the look. Times
//! are plain numbers; the largest number means never.
//!
//! A place is closed until its owner opens it. Rings for a closed place are dropped: the owner reads everything that was
//! written before. So the owner opens the place, then reads, then starts it.

use crate::primitives::{Mutex, lock};

/// Later than any other moment.
pub const NEVER: i64 = i64::MAX;

/// The moments of `N` places.
#[derive(Debug)]
pub struct Moments<const N: usize>(Mutex<[Moment; N]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// The place belongs to another owner: rings are dropped.
    Closed,
    /// The place is being taken over: rings are kept, but nothing is due yet.
    Opening,
    /// The place is ours.
    Ours,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    hold: Hold,
    /// When something scheduled is due, which newer work must not overtake.
    timer: i64,
    /// When anything else is due.
    ready: i64,
    /// The earliest ring of each kind since the last look began.
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
    /// Begins to take the place over: rings are kept from now on.
    pub fn open(&self, place: usize) {
        lock(&self.0)[place] = Moment { hold: Hold::Opening, ..Moment::CLOSED };
    }

    /// The place is ours. The caller must wake the task that sleeps until the earliest moment.
    pub fn start(&self, place: usize) {
        lock(&self.0)[place].hold = Hold::Ours;
    }

    /// The place belongs to another owner: forgets its moments.
    pub fn close(&self, place: usize) {
        lock(&self.0)[place] = Moment::CLOSED;
    }

    /// Asks for a look at this place at `at` or earlier. Returns whether `at` is earlier than the moment before: then the
    /// caller must wake the task that sleeps until the earliest moment.
    #[must_use]
    pub fn ring(&self, place: usize, at: i64) -> bool {
        self.earlier(place, |moment| {
            moment.rung_timer = moment.rung_timer.min(at);
            moment.timer = moment.timer.min(at);
        })
    }

    /// The same as [`Self::ring`] for work that [`Self::is_timer_due`] does not count.
    #[must_use]
    pub fn ring_ready(&self, place: usize, at: i64) -> bool {
        self.earlier(place, |moment| {
            moment.rung_ready = moment.rung_ready.min(at);
            moment.ready = moment.ready.min(at);
        })
    }

    /// Whether something scheduled is due at this place, or is being looked at. Nobody here knows that of another owner's
    /// place, so the answer for such a place is `true`.
    pub fn is_timer_due(&self, place: usize, now: i64) -> bool {
        let moment = lock(&self.0)[place];
        moment.hold != Hold::Ours || moment.timer <= now
    }

    /// Begins a look, before anything is read: from now on rings count for the next look.
    pub fn begin_look(&self, place: usize) {
        let moment = &mut lock(&self.0)[place];
        (moment.rung_timer, moment.rung_ready) = (NEVER, NEVER);
    }

    /// Ends a look, which found that the next look is needed at `next`.
    pub fn end_look(&self, place: usize, next: i64) {
        let moment = &mut lock(&self.0)[place];
        if moment.hold == Hold::Closed {
            return;
        }
        moment.timer = next.min(moment.rung_timer);
        moment.ready = moment.rung_ready;
    }

    /// The places that are due now.
    pub fn due(&self, now: i64) -> Vec<usize> {
        let moments = lock(&self.0);
        (0..N).filter(|&place| moments[place].wake_at() <= now).collect()
    }

    /// When the first place is due.
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
