//! Changes: wakes those who deliver.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells those who deliver that webhooks were changed, or that there is something to deliver. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// How often webhooks were changed.
    changed: Arc<watch::Sender<u64>>,
    /// Rings when events are stored.
    told: Arc<watch::Sender<()>>,
}

impl Changes {
    /// A webhook was set up, changed or forgotten, or is to be told something once more.
    pub fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Events are stored that somebody may want to hear of.
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
