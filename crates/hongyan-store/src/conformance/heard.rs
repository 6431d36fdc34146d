//! A listener that keeps the signals, for a check to look at.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_wechat::AppId;
use tokio::sync::Notify;

use crate::Store;
use crate::signals::{Listener, Moved, Signal, Signals};
use crate::types::FeedCursor;

/// A store that sends no signal for so long never sends it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The signals since [`Self::take`].
#[derive(Default)]
pub(super) struct Heard {
    kept: Mutex<Vec<Heeded>>,
    more: Notify,
}

/// A [`Signal`] that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heeded {
    Scheduled(Lane, UnixMillis),
    Wake(Lane, UnixMillis),
    Event(Lane, UnixMillis),
    Moved(Moved),
    App(AppId),
    Webhooks,
    WebhookEvent(FeedCursor),
    Lanes,
    Revoked,
}

impl Heard {
    /// Listens to a store from now on.
    pub(super) fn by(store: &Arc<dyn Store>) -> Arc<Self> {
        let heard = Arc::new(Self::default());
        store.listen(Arc::clone(&heard) as Arc<dyn Listener>);
        heard
    }

    /// The signals since the last call.
    pub(super) fn take(&self) -> Vec<Heeded> {
        std::mem::take(&mut *self.kept.lock().unwrap())
    }

    /// How far webhook events were heard of.
    pub(super) fn last_told(&self) -> FeedCursor {
        let kept = self.kept.lock().unwrap();
        let mut last = FeedCursor::default();
        for heard in kept.iter() {
            if let Heeded::WebhookEvent(until) = heard {
                last.advance_to(until);
            }
        }
        last
    }

    /// Waits until the signals since [`Self::take`] are enough. That may take a moment if another store made the commit.
    pub(super) async fn wait_until(&self, what: &str, is_enough: impl Fn(&[Heeded]) -> bool) {
        let wait = async {
            while !is_enough(&self.kept.lock().unwrap()) {
                self.more.notified().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "nobody was told {what}");
    }
}

impl Listener for Heard {
    fn hear(&self, signals: &Signals) {
        self.kept.lock().unwrap().extend(signals.iter().map(|signal| match signal {
            Signal::Scheduled { lane, at } => Heeded::Scheduled(lane, at),
            Signal::Wake { lane, at } => Heeded::Wake(lane, at),
            Signal::Event { lane, at } => Heeded::Event(lane, at),
            Signal::Moved(moved) => Heeded::Moved(moved),
            Signal::App(appid) => Heeded::App(appid.clone()),
            Signal::Webhooks => Heeded::Webhooks,
            Signal::WebhookEvent(until) => Heeded::WebhookEvent(until.clone()),
            Signal::Lanes => Heeded::Lanes,
            Signal::Revoked => Heeded::Revoked,
        }));
        self.more.notify_one();
    }
}
