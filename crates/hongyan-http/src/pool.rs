//! The connections that are open and idle.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::habit::Habit;

/// A connection that has rested for so long after its last answer is taken before one that has not: a server that hangs
/// up behind an answer has done it by then.
const SETTLED: Duration = Duration::from_millis(5);

/// Idle connections, the one used last taken first: so the others grow old and go, and no more stay open than
/// the load needs. Which of them may be used at all is for the [`Habit`] to say.
pub struct Pool<B> {
    /// Oldest at the front. The lock is held to move one handle in or out, never across an await.
    idle: Mutex<VecDeque<Idle<B>>>,
    habit: Arc<Habit>,
    timeout: Duration,
    max: usize,
}

struct Idle<B> {
    connection: Connection<B>,
    since: Instant,
}

impl<B> Pool<B> {
    /// An empty pool for connections that are watched with this habit: none stays longer than `timeout`, and no more than
    /// `max` stay.
    pub fn new(habit: Arc<Habit>, timeout: Duration, max: usize) -> Self {
        Self { idle: Mutex::new(VecDeque::new()), habit, timeout, max }
    }

    /// A connection that was open when last heard of and has not been idle for too long.
    pub fn take(&self) -> Option<Connection<B>> {
        let now = Instant::now();
        let mut idle = self.lock();
        self.sweep(&mut idle, now);
        let longest = self.habit.longest_rest()?;
        loop {
            // They stand in the order in which they came: those that have rested for too long, then those that have
            // settled, then those that have not.
            let too_old = idle.partition_point(|idle| now.duration_since(idle.since) > longest);
            let settled = idle.partition_point(|idle| now.duration_since(idle.since) >= SETTLED);
            let at = if settled > too_old { settled - 1 } else { too_old };
            let Idle { connection, .. } = idle.remove(at)?;
            if connection.is_open() {
                let rested = connection.wire.wake(now);
                return Some(connection.rested(rested));
            }
        }
    }

    /// Keeps a connection whose last answer was read to its end.
    pub fn put(&self, connection: Connection<B>) {
        if !connection.is_open() || self.max == 0 {
            return;
        }
        let mut idle = self.lock();
        // With the lock, so that they stand in the order of their times.
        let now = Instant::now();
        self.sweep(&mut idle, now);
        if idle.len() >= self.max {
            if self.habit.longest_rest().is_none() {
                // Those that are there prove something only if they stay.
                return;
            }
            idle.pop_front();
        }
        connection.wire.rest(now);
        idle.push_back(Idle { connection, since: now });
    }

    /// Lets go of the oldest that are closed or have been idle for too long; what the next one proves.
    fn sweep(&self, idle: &mut VecDeque<Idle<B>>, now: Instant) {
        while let Some(oldest) = idle.front() {
            let rested = now.duration_since(oldest.since);
            let is_open = oldest.connection.is_open();
            if is_open {
                self.habit.open_after(rested.min(self.timeout), now);
            }
            if is_open && rested <= self.timeout {
                break;
            }
            idle.pop_front();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle<B>>> {
        // A panic elsewhere while it was held cannot have left a list of handles half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
