//! How the gateway is, for machines that ask often.
//!
//! What is found out is remembered for a moment, and one at a time finds out. So however many ask, and whoever they are,
//! the database is asked a few times a minute at the most.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hongyan_store::Store;
use hongyan_store::types::Backlog;

/// So long the database counts as well once it answered.
const WELL_FOR: Duration = Duration::from_secs(1);

/// So long it counts as not well: short, so that traffic comes back soon.
const UNWELL_FOR: Duration = Duration::from_millis(100);

/// How often the events are counted that webhooks have before them, while somebody asks for that.
const COUNTED_EVERY: Duration = Duration::from_secs(10);

/// Who asks for it waits so long for a count; it goes on, and who asks next gets it.
const COUNT_PATIENCE: Duration = Duration::from_secs(1);

/// What is known. Clones share it.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    /// When the database was asked last, and whether it answered. Held while it is asked.
    answered: tokio::sync::Mutex<Option<(Instant, bool)>>,
    /// Held by who counts.
    counting: Arc<tokio::sync::Mutex<()>>,
    counted: Mutex<(Option<Instant>, Backlog)>,
}

impl Health {
    /// Nothing is known yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let (answered, counting, counted) = Default::default();
        Self(Arc::new(Inner { store, answered, counting, counted }))
    }

    /// Whether the database reads and writes.
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

    /// What all enabled webhooks have before them, as it was counted some seconds ago.
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
            // Whatever becomes of it, what is known is told.
            let _ = tokio::time::timeout(COUNT_PATIENCE, count).await;
        }
        self.counted().1
    }

    fn counted(&self) -> (Option<Instant>, Backlog) {
        *self.0.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn count(&self) -> Backlog {
        let mut all = Backlog::default();
        // Metrics are served also while the store is not well: that is when they are looked at.
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
        // Also without what is remembered here: there was a commit just now.
        for _ in 0..200 {
            store.ping().await.unwrap();
        }
        // A commit takes two pages of the log at least; five seconds may have passed on a slow machine.
        assert!(log() - before <= 4 * 4_200, "{before} bytes, then {}", log());
        store.close().await;
        tokio::time::sleep(WELL_FOR).await;
        assert!(!health.is_store_well().await, "and what is closed is not taken for well");
    }
}
