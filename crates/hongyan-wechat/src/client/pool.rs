//! The connections that are open and idle.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::connect::Connection;
use super::habit::Habit;

/// A connection that has rested for so long after its last answer is taken before one that has not: a server that hangs
/// up behind an answer has done it by then.
const SETTLED: Duration = Duration::from_millis(5);

/// Idle connections, the one used last taken first: so the others grow old and go, and no more stay open than
/// the load needs. Which of them may be used at all is for the [`Habit`] to say.
pub(super) struct Pool {
    /// Oldest at the front. The lock is held to move one handle in or out, never across an await.
    idle: Mutex<VecDeque<Idle>>,
    habit: Arc<Habit>,
    timeout: Duration,
    max: usize,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(habit: Arc<Habit>, timeout: Duration, max: usize) -> Self {
        Self { idle: Mutex::new(VecDeque::new()), habit, timeout, max }
    }

    /// How long the other end keeps them.
    pub(super) fn habit(&self) -> &Habit {
        &self.habit
    }

    /// A connection that was open when last heard of and has not been idle for too long.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.lock();
        self.sweep(&mut idle);
        let longest = self.habit.longest_rest()?;
        let may_be_used = |idle: &Idle| idle.since.elapsed() <= longest;
        let has_settled = |idle: &Idle| idle.since.elapsed() >= SETTLED;
        let at = idle
            .iter()
            .rposition(|idle| may_be_used(idle) && has_settled(idle))
            .or_else(|| idle.iter().position(may_be_used))?;
        let Idle { mut connection, .. } = idle.remove(at)?;
        connection.rested = Some(connection.wire.wake());
        Some(connection)
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn put(&self, connection: Connection) {
        if connection.sender.is_closed() || self.max == 0 {
            return;
        }
        let mut idle = self.lock();
        self.sweep(&mut idle);
        if idle.len() >= self.max {
            if self.habit.longest_rest().is_none() {
                // Those that are there prove something only if they stay.
                return;
            }
            idle.pop_front();
        }
        connection.wire.rest();
        idle.push_back(Idle { connection, since: Instant::now() });
    }

    /// Without those that are closed or old; and what the others prove.
    fn sweep(&self, idle: &mut VecDeque<Idle>) {
        while idle.front().is_some_and(|oldest| oldest.since.elapsed() > self.timeout) {
            if let Some(oldest) = idle.pop_front()
                && !oldest.connection.sender.is_closed()
            {
                self.habit.open_after(oldest.since.elapsed().min(self.timeout));
            }
        }
        idle.retain(|idle| !idle.connection.sender.is_closed());
        if let Some(oldest) = idle.front() {
            self.habit.open_after(oldest.since.elapsed());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        // A panic elsewhere while it was held cannot have left a list of handles half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
