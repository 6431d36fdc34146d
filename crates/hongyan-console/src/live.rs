//! When a page is to be drawn anew: after a commit.

use std::sync::Arc;

use hongyan_store::Store;
use hongyan_store::signals::{Listener, Signals};
use tokio::sync::watch;

/// Hears of commits.
#[derive(Clone)]
pub(crate) struct Live(pub(crate) watch::Receiver<()>);

struct Commits(watch::Sender<()>);

impl Live {
    pub(crate) fn start(store: &dyn Store) -> Self {
        let (commits, live) = watch::channel(());
        store.listen(Arc::new(Commits(commits)));
        Self(live)
    }
}

impl Listener for Commits {
    fn hear(&self, _: &Signals) {
        self.0.send_replace(());
    }
}
