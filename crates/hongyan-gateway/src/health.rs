//! The health of the gateway, for machines that ask often.
//!
//! Results are cached for a moment, and one task at a time asks the database. So the database is asked a few times a minute
//! at most, however many clients ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hongyan_store::Store;
use hongyan_store::types::Backlog;

/// How long a good answer of the database is cached.
const WELL_FOR: Duration = Duration::from_secs(1);

/// How long a bad answer is cached: short, so that traffic returns soon.
const UNWELL_FOR: Duration = Duration::from_millis(100);

/// How often the events that webhooks have not received are counted, while clients ask for the count.
const COUNTED_EVERY: Duration = Duration::from_secs(10);

/// How long a client waits for a count. The count goes on, and the next client gets its result.
const COUNT_PATIENCE: Duration = Duration::from_secs(1);

/// The cached results. Clones share them.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    /// When the database was asked last, and whether it answered. Locked while the database is asked.
    answered: tokio::sync::Mutex<Option<(Instant, bool)>>,
    /// Held by the task that counts.
    counting: Arc<tokio::sync::Mutex<()>>,
    counted: Mutex<(Option<Instant>, Backlog)>,
}

impl Health {
    /// Nothing is known yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let (answered, counting, counted) = Default::default();
        Self(Arc::new(Inner { store, answered, counting, counted }))
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
        let is_old = self.counted().0.is_none_or(|at| at.elapsed() >= COUNTED_EVERY);
        if is_old && let Ok(turn) = Arc::clone(&self.0.counting).try_lock_owned() {
            let health = self.clone();
            let count = tokio::spawn(async move {
                let backlog = health.count().await;
                let counted = (Some(Instant::now()), backlog);
                *health.0.counted.lock().unwrap_or_else(PoisonError::into_inner) = counted;
                drop(turn);
            });
            // The last known count is returned, even if this count fails or takes longer.
            let _ = tokio::time::timeout(COUNT_PATIENCE, count).await;
        }
        self.counted().1
    }

    fn counted(&self) -> (Option<Instant>, Backlog) {
        *self.0.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn count(&self) -> Backlog {
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
