//! How long the other end keeps connections, learnt by watching.
//!
//! A server that hangs up after each answer, or a moment later, loses whatever is written on the connection in between,
//! and does not say that it will. So a connection is used again only when one was seen to stay open, and only for half
//! as long as that; one that was closed on us takes the trust away.
//!
//! Until then connections are kept all the same, to be watched, and every request has a new one: for the first half
//! second, and for a minute after a server has hung up early.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A server that has hung up sooner than it was trusted to is not trusted for so long.
const DISTRUST: Duration = Duration::from_secs(60);

/// What was seen of the other end.
#[derive(Debug)]
pub struct Habit {
    /// For how long a connection must have been seen open before any is used again. Zero: none needs to be.
    proof: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The longest time that an idle connection was seen to stay open.
    open_for: Duration,
    distrusted_until: Option<Instant>,
}

impl Habit {
    /// A habit of which nothing was seen yet. `proof`: for how long a connection must have been seen open before any is
    /// used again; zero: none needs to be.
    pub fn new(proof: Duration) -> Self {
        Self { proof, seen: Mutex::default() }
    }

    /// A connection has been idle for so long, and is open now.
    pub(crate) fn open_after(&self, idle: Duration, now: Instant) {
        let mut seen = self.lock();
        if seen.distrusted_until.is_none_or(|until| until <= now) {
            seen.open_for = seen.open_for.max(idle);
        }
    }

    /// The other end has closed a connection that was idle for so long.
    pub(crate) fn hung_up_after(&self, idle: Duration) {
        let mut seen = self.lock();
        if idle < self.proof {
            seen.open_for = Duration::ZERO;
            seen.distrusted_until = Some(Instant::now() + DISTRUST);
        } else {
            seen.open_for = seen.open_for.min(idle);
        }
    }

    /// How long a connection may have been idle to be used again; `None`: none may.
    pub(crate) fn longest_rest(&self) -> Option<Duration> {
        if self.proof.is_zero() {
            return Some(Duration::MAX);
        }
        let open_for = self.lock().open_for;
        (open_for >= self.proof).then_some(open_for / 2)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        // Two numbers cannot be left half changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: Duration = Duration::from_millis(500);

    #[test]
    fn a_server_is_trusted_for_half_of_what_it_was_seen_to_keep() {
        let habit = Habit::new(PROOF);
        assert_eq!(habit.longest_rest(), None, "nothing was seen yet");
        habit.open_after(Duration::from_millis(499), Instant::now());
        assert_eq!(habit.longest_rest(), None);
        habit.open_after(Duration::from_secs(2), Instant::now());
        habit.open_after(Duration::from_secs(1), Instant::now());
        assert_eq!(habit.longest_rest(), Some(Duration::from_secs(1)));
        habit.hung_up_after(Duration::from_millis(1_200));
        assert_eq!(
            habit.longest_rest(),
            Some(Duration::from_millis(600)),
            "it closes what is idle for longer"
        );
    }

    #[test]
    fn a_server_that_hangs_up_early_is_not_trusted_for_a_while() {
        let habit = Habit::new(PROOF);
        habit.open_after(Duration::from_secs(2), Instant::now());
        habit.hung_up_after(Duration::from_millis(3));
        habit.open_after(Duration::from_secs(2), Instant::now());
        assert_eq!(habit.longest_rest(), None, "another connection stayed open, and that proves nothing");
    }

    #[test]
    fn where_no_proof_is_asked_for_every_connection_may_be_used_again() {
        let habit = Habit::new(Duration::ZERO);
        habit.hung_up_after(Duration::from_millis(3));
        assert_eq!(habit.longest_rest(), Some(Duration::MAX));
    }
}
