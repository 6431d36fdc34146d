//! When a page is to be drawn anew: after a commit, and when an answer has come that took long.

use std::sync::Arc;

use hongyan_store::Store;
use hongyan_store::signals::{Listener, Signals};
use tokio::sync::watch;

/// Rings when a page may have something new to show.
#[derive(Clone)]
pub(crate) struct Live(watch::Sender<()>);

struct Commits(Live);

impl Live {
    pub(crate) fn start(store: &dyn Store) -> Self {
        let live = Self(watch::Sender::new(()));
        store.listen(Arc::new(Commits(live.clone())));
        live
    }

    /// Has all open pages drawn anew.
    pub(crate) fn ring(&self) {
        self.0.send_replace(());
    }

    /// Hears when a page is to be drawn anew.
    pub(crate) fn hear(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl Listener for Commits {
    fn hear(&self, _: &Signals) {
        self.0.ring();
    }
}
