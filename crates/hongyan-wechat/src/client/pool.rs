//! The connections that are open and idle.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::connect::Sender;

/// Idle connections, the one used last taken first: so the others grow old and go, and no more stay open than
/// the load needs.
pub(super) struct Pool {
    /// Oldest at the front. The lock is held to move one handle in or out, never across an await.
    idle: Mutex<VecDeque<Idle>>,
    timeout: Duration,
    max: usize,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    pub(super) fn new(timeout: Duration, max: usize) -> Self {
        Self { idle: Mutex::new(VecDeque::new()), timeout, max }
    }

    /// A connection that was open when last heard of and has not been idle for too long.
    pub(super) fn take(&self) -> Option<Sender> {
        let mut idle = self.lock();
        self.drop_old(&mut idle);
        while let Some(Idle { sender, .. }) = idle.pop_back() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn put(&self, sender: Sender) {
        if sender.is_closed() || self.max == 0 {
            return;
        }
        let mut idle = self.lock();
        self.drop_old(&mut idle);
        if idle.len() >= self.max {
            idle.pop_front();
        }
        idle.push_back(Idle { sender, since: Instant::now() });
    }

    fn drop_old(&self, idle: &mut VecDeque<Idle>) {
        while idle.front().is_some_and(|oldest| oldest.since.elapsed() > self.timeout) {
            idle.pop_front();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        // A panic elsewhere while it was held cannot have left a list of handles half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
