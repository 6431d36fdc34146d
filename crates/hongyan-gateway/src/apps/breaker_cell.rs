//! What is counted of WeChat's failures to answer one app.

use std::sync::{Mutex, PoisonError};

use hongyan_ledger::breaker::Breaker;

/// One app's count of failures; shared by all snapshots of the app.
#[derive(Debug, Default)]
pub(crate) struct BreakerCell(Mutex<Breaker>);

impl BreakerCell {
    /// As if nothing had ever failed.
    pub(super) fn reset(&self) {
        self.with(|breaker| *breaker = Breaker::default());
    }

    /// Reads or changes it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Breaker) -> T) -> T {
        // Two numbers; a panic elsewhere leaves them whole.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
