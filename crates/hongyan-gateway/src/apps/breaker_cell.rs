//! The count of WeChat's failures for one app.

use std::sync::{Mutex, PoisonError};

use hongyan_ledger::breaker::Breaker;

/// The breaker of one app. All snapshots of the app share it.
#[derive(Debug, Default)]
pub(crate) struct BreakerCell(Mutex<Breaker>);

impl BreakerCell {
    /// Forgets all failures.
    pub(super) fn reset(&self) {
        self.with(|breaker| *breaker = Breaker::default());
    }

    /// Reads or changes the breaker.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Breaker) -> T) -> T {
        // The breaker is two numbers, which are valid even after a panic of another holder.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
