//! Stopping: one signal that every part of the gateway watches.

use std::sync::Arc;

use tokio::sync::watch;

/// Says whether the gateway is stopping. Clones share the signal.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Tells everybody to stop: finish what is in flight, start nothing new.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was told.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is told.
    pub async fn stopping(&self) {
        let mut signal = self.0.subscribe();
        // The sender lives in `self`.
        let _ = signal.wait_for(|&stopping| stopping).await;
    }
}
