//! The health of the gateway, for machines that ask often.
//!
//! Results are cached for a moment, and one task at a time asks the database. So the database is asked a few times a minute
//! at most, however many clients ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hongyan_store::Store;
use hongyan_store::types::{Backlog, OpenMessages};
use tokio::sync::OwnedMutexGuard;

/// How long a good answer of the database is cached.
const WELL_FOR: Duration = Duration::from_secs(1);

/// How long a bad answer is cached: short, so that traffic returns soon.
const UNWELL_FOR: Duration = Duration::from_millis(100);

/// How often pending events of webhooks and open messages are counted, while clients ask for the counts.
const COUNTED_EVERY: Duration = Duration::from_secs(10);

/// How long a client waits for a count. The count goes on, and the next client gets its result.
const COUNT_PATIENCE: Duration = Duration::from_secs(1);

/// A count of open messages that is older than this is not told any more: better no number than a wrong number.
const TOLD_FOR: Duration = Duration::from_secs(300);

/// The cached results. Clones share them.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    /// When the database was asked last, and whether it answered. Locked while the database is asked.
    answered: tokio::sync::Mutex<Option<(Instant, bool)>>,
    webhooks: Counted<Backlog>,
    open: Counted<Vec<OpenMessages>>,
}

/// A count of the database that is cached, and that one task at a time makes anew.
struct Counted<T> {
    /// Held by the task that counts.
    counting: Arc<tokio::sync::Mutex<()>>,
    /// The last count, and when it was made.
    last: Mutex<Option<(Instant, T)>>,
}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self { counting: Arc::default(), last: Mutex::default() }
    }
}

impl<T: Clone> Counted<T> {
    fn last(&self) -> Option<(Instant, T)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, count: T) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), count));
    }

    /// The right to count, if the last count is old and no other task counts.
    fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        let is_old = self.last().is_none_or(|(at, _)| at.elapsed() >= COUNTED_EVERY);
        if is_old { Arc::clone(&self.counting).try_lock_owned().ok() } else { None }
    }
}

impl Health {
    /// Nothing is known yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let (answered, webhooks, open) = Default::default();
        Self(Arc::new(Inner { store, answered, webhooks, open }))
    }

    /// Whether the store can read and write.
    pub async fn is_store_well(&self) -> bool {
        let mut answered = self.0.answered.lock().await;
        if let Some((at, is_well)) = *answered
            && at.elapsed() < if is_well { WELL_FOR } else { UNWELL_FOR }
        {
            return is_well;
        }
        let answer = self.0.store.ping().await;
        if let Err(error) = &answer {
            tracing::warn!(%error, "not ready: the store does not answer");
        }
        *answered = Some((Instant::now(), answer.is_ok()));
        answer.is_ok()
    }

    /// The events that enabled webhooks have not received, as counted some seconds ago.
    pub async fn webhook_backlog(&self) -> Backlog {
        let health = self.clone();
        let count = async move { health.0.webhooks.put(health.count_webhooks().await) };
        in_turn(self.0.webhooks.turn(), count).await;
        self.0.webhooks.last().map(|(_, backlog)| backlog).unwrap_or_default()
    }

    /// The open messages of all apps, as counted some seconds ago; `None`: they could not be counted for minutes.
    pub async fn open_messages(&self) -> Option<Vec<OpenMessages>> {
        let health = self.clone();
        let count = async move {
            match health.0.store.open_messages().await {
                Ok(open) => health.0.open.put(open),
                Err(error) => tracing::warn!(%error, "open messages cannot be counted for the metrics"),
            }
        };
        in_turn(self.0.open.turn(), count).await;
        self.0.open.last().filter(|(at, _)| at.elapsed() < TOLD_FOR).map(|(_, open)| open)
    }

    async fn count_webhooks(&self) -> Backlog {
        let mut all = Backlog::default();
        // Metrics are served even if the store fails, because operators look at them then.
        let webhooks = self.0.store.webhooks().await.unwrap_or_default();
        for start in webhooks.iter().filter(|start| start.record.disabled.is_none()) {
            let known = self.0.store.webhook(start.record.id).await.ok().flatten();
            let Some((_, backlog)) = known else { continue };
            all.pending = all.pending.saturating_add(backlog.pending);
            all.oldest = [all.oldest, backlog.oldest].into_iter().flatten().min();
        }
        all
    }
}

/// Counts in a task of its own, and waits a little for the task. The caller returns the last known count, even if this count
/// fails or takes longer. `None`: it is not the caller's turn.
async fn in_turn(turn: Option<OwnedMutexGuard<()>>, count: impl Future<Output = ()> + Send + 'static) {
    let Some(turn) = turn else { return };
    let counting = tokio::spawn(async move {
        count.await;
        drop(turn);
    });
    let _ = tokio::time::timeout(COUNT_PATIENCE, counting).await;
}

#[cfg(test)]
mod tests {
    use hongyan_store::sqlite::{SqliteConfig, SqliteStore};

    use super::*;

    #[tokio::test]
    async fn who_asks_often_makes_next_to_no_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hongyan.db");
        let store = Arc::new(SqliteStore::open(SqliteConfig::new(&path)).unwrap());
        let health = Health::new(Arc::clone(&store) as Arc<dyn Store>);
        let log = || std::fs::metadata(dir.path().join("hongyan.db-wal")).unwrap().len();
        assert!(health.is_store_well().await);
        let before = log();
        for _ in 0..2_000 {
            assert!(health.is_store_well().await);
        }
        // A commit has just succeeded, so even without the cache here the store writes nothing.
        for _ in 0..200 {
            store.ping().await.unwrap();
        }
        // A commit takes at least two pages of the log. Five seconds may have passed on a slow machine.
        assert!(log() - before <= 4 * 4_200, "{before} bytes, then {}", log());
        store.close().await;
        tokio::time::sleep(WELL_FOR).await;
        assert!(!health.is_store_well().await, "a closed store is not well");
    }
}
