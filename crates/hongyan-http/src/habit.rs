//! Learns how long a server keeps connections, by watching.
//!
//! A server that closes a connection after each answer, or a moment later, loses a request that is written in between,
//! without notice. So a connection is used again only after a connection was seen to stay open, and only for half of that
//! time; an early close by the server ends this trust.
//!
//! Until then connections are kept only to be watched, and every request gets a new connection: for the first half
//! second, and for a minute after an early close.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a server is not trusted after it closed a connection earlier than expected.
const DISTRUST: Duration = Duration::from_secs(60);

/// The observations of a server.
#[derive(Debug)]
pub struct Habit {
    /// How long a connection must have been seen open before kept connections are used. Zero disables this.
    proof: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The longest time for which an idle connection was seen to stay open.
    open_for: Duration,
    distrusted_until: Option<Instant>,
}

impl Habit {
    /// A habit without observations. `proof` is how long a connection must have been seen open before kept connections
    /// are used; zero disables this.
    pub fn new(proof: Duration) -> Self {
        Self { proof, seen: Mutex::default() }
    }

    /// Records that a connection is open after this idle time.
    pub(crate) fn open_after(&self, idle: Duration, now: Instant) {
        let mut seen = self.lock();
        if seen.distrusted_until.is_none_or(|until| until <= now) {
            seen.open_for = seen.open_for.max(idle);
        }
    }

    /// Records that the server closed a connection after this idle time.
    pub(crate) fn hung_up_after(&self, idle: Duration) {
        let mut seen = self.lock();
        if idle < self.proof {
            seen.open_for = Duration::ZERO;
            seen.distrusted_until = Some(Instant::now() + DISTRUST);
        } else {
            seen.open_for = seen.open_for.min(idle);
        }
    }

    /// The longest idle time after which a connection may be used again; `None` if no connection may be used again.
    pub(crate) fn longest_rest(&self) -> Option<Duration> {
        if self.proof.is_zero() {
            return Some(Duration::MAX);
        }
        let open_for = self.lock().open_for;
        (open_for >= self.proof).then_some(open_for / 2)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        // Two numbers cannot be half changed, so a poisoned lock is harmless.
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
