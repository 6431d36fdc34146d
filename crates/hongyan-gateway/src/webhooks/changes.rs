//! Wakes the workers of webhooks after changes.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells the workers that webhooks were changed, or that there are events to deliver. Clones share the signals.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The number of changes of webhooks.
    changed: Arc<watch::Sender<u64>>,
    /// Signals that events were stored.
    told: Arc<watch::Sender<()>>,
}

impl Changes {
    /// A webhook was created, changed or deleted, or events are to be delivered again.
    pub fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Events were stored that a webhook may subscribe to.
    pub fn event_stored(&self) {
        self.told.send_replace(());
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn watch_events(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }
}
