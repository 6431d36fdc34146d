//! The idle open connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::habit::Habit;

/// A connection that has been idle this long after its last answer is preferred: a server that closes connections after
/// an answer has done so by then.
const SETTLED: Duration = Duration::from_millis(5);

/// Idle connections, the most recently used first: so the others grow old and are closed, and no more stay open than the
/// load needs. The [`Habit`] decides which connections may be used.
pub struct Pool<B> {
    /// The oldest connection is at the front. The lock is held to move one handle in or out, never across an await.
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
    /// An empty pool for connections that this habit watches: no connection stays longer than `timeout`, and at most
    /// `max` connections stay.
    pub fn new(habit: Arc<Habit>, timeout: Duration, max: usize) -> Self {
        Self { idle: Mutex::new(VecDeque::new()), habit, timeout, max }
    }

    /// A connection that was open at the last check and has not been idle for too long.
    pub fn take(&self) -> Option<Connection<B>> {
        let now = Instant::now();
        let mut idle = self.lock();
        self.sweep(&mut idle, now);
        let longest = self.habit.longest_rest()?;
        loop {
            // The connections are in the order of arrival: first those that were idle for too long, then those that have
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
        // The lock is held, so that the connections are in the order of their times.
        let now = Instant::now();
        self.sweep(&mut idle, now);
        if idle.len() >= self.max {
            if self.habit.longest_rest().is_none() {
                // Open connections prove something only if they stay open.
                return;
            }
            idle.pop_front();
        }
        connection.wire.rest(now);
        idle.push_back(Idle { connection, since: now });
    }

    /// Removes the oldest connections that are closed or were idle for too long; records what the next connection proves.
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
        // A panic while the lock was held cannot have left the list half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
