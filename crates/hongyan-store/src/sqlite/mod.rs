//! The embedded backend: one file, one process that serves, no server to run.
//!
//! | module | knows |
//! | --- | --- |
//! | `open` | whether a file is ours; its settings |
//! | `migrations` | the steps from schema to schema |
//! | `writer` | the one thread that writes: group commit |
//! | `checkpoint` | the one thread that copies the log back into the file |
//! | `memory` | what the writer remembers between transactions |
//! | `readers` | the threads that read: a pool for messages on their way, one for people, and one for walks over all permits |
//! | `messages`, `lanes`, `permits`, `events`, `apps`, `templates`, `credentials`, `audit`, `sealed`, `outbox`, `webhooks`, `prune`, `tallies` | the statements: what the verbs ask and write (`crate::rows`), and what people ask |
//! | `tokens`, `sessions`, `keys`, `reach` | what people and the gateway ask |
//! | `cells` | how values are stored in columns |
//! | `row_error` | SQLite's refusals, in the words of every backend |
//! | `health` | whether the file is damaged |
//! | `backup` | copies of the file, and the restore of a copy |
//! | `verb` | the verbs by name: their words for people, their fail points |
//! | `verbs` | which verb goes to the writer and which to which readers |
//!
//! No statement decides anything: the steps of a verb are in `crate::verbs`. Another process may open the file for a moment
//! (`hongyan key create`), and SQLite's backup may copy it at any time.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "`Cells::moment` itself is a method of one lifetime, and a reader of rows must take any"
)]

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::signals::Listeners;
use crate::{Result, StoreError};

mod apps;
mod audit;
mod backup;
mod callers;
mod cells;
mod checkpoint;
mod credentials;
mod events;
mod figures;
mod health;
mod keys;
mod lanes;
mod memory;
mod messages;
mod migrations;
mod open;
mod outbox;
mod people;
mod permits;
mod prune;
mod reach;
mod readers;
mod reads;
mod row_error;
mod schema;
mod sealed;
mod sessions;
mod tallies;
mod templates;
mod tokens;
mod user_entries;
mod verb;
mod verbs;
mod webhooks;
mod writer;

pub use backup::{Copied, PutBack, Restored, copy, put_back};
use checkpoint::Checkpointer;
pub use health::{AT_A_START, Depth, Looked, Stage, Watcher, look};
use memory::Transaction;
pub use open::{Schema, newest_schema, schema_of};
use readers::Readers;
use row_error::RowResult;
use verb::Verb;
use writer::{Crowd, Writer};

/// A walk over all permits may take so many times as long as another query of people's, because it waits for earlier walks.
const COUNTS_AT_ONCE: u32 = 4;

/// Where the database is, and how many threads and how much time it may use.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The file. It is created if it does not exist; its directory is not.
    pub path: PathBuf,
    /// Threads that read for messages on their way, 1 to 64. Each has a cache of 1 MiB.
    pub readers: usize,
    /// Threads that read for people, 1 to 64. Each has a cache of 512 KiB.
    pub people: usize,
    /// How long a query of people's may take. A walk over all permits of an app may take four times as long.
    pub people_limit: Duration,
}

impl SqliteConfig {
    /// This file, with two readers for messages and two for people. One more thread counts permits.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 2, people: 2, people_limit: Duration::from_secs(5) }
    }
}

/// A database in a file. Clones share it.
#[derive(Clone)]
pub struct SqliteStore {
    /// `None` once the store is closed. The lock is only held to copy two handles.
    threads: Arc<RwLock<Option<Threads>>>,
    /// Each channel closes when its threads have ended.
    ended: [flume::Receiver<()>; 4],
    listeners: Listeners,
    crowd: Crowd,
}

#[derive(Clone)]
struct Threads {
    writer: Writer,
    readers: Readers,
    people: Readers,
    counting: Readers,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, brings its schema up to date and starts the threads. Blocks; call it before serving.
    ///
    /// # Errors
    /// [`StoreError::Open`] with what to do about it; [`StoreError::Newer`]. In both cases an existing file was not changed.
    pub fn open(config: SqliteConfig) -> Result<Self> {
        let SqliteConfig { path, readers, people, people_limit } = config;
        let writer = open::writer(&path)?;
        let checkpointer = open::checkpointer(&path, &writer)?;
        let open = |count: usize, cache: i64| {
            (0..count.clamp(1, 64)).map(|_| open::reader(&path, cache)).collect::<Result<Vec<_>>>()
        };
        let readers = open(readers, open::MACHINE_CACHE)?;
        let (people, counting) = (open(people, open::PEOPLE_CACHE)?, open(1, open::PEOPLE_CACHE)?);
        let no_thread = |why: std::io::Error| StoreError::Open {
            path: path.display().to_string(),
            why: format!("no thread could be started for it: {why}"),
        };
        let (readers, readers_ended) = Readers::start("reader", readers, None).map_err(no_thread)?;
        let (people, people_ended) =
            Readers::start("people", people, Some(people_limit)).map_err(no_thread)?;
        let (counting, counting_ended) =
            Readers::start("counting", counting, Some(people_limit * COUNTS_AT_ONCE)).map_err(no_thread)?;
        let listeners = Listeners::default();
        let checkpointer = Checkpointer::start(checkpointer).map_err(no_thread)?;
        let crowd = Crowd::default();
        let (writer, writer_ended) =
            Writer::start(writer, checkpointer, listeners.clone(), crowd.clone()).map_err(no_thread)?;
        Ok(Self {
            threads: Arc::new(RwLock::new(Some(Threads { writer, readers, people, counting }))),
            ended: [readers_ended, people_ended, counting_ended, writer_ended],
            listeners,
            crowd,
        })
    }

    /// Carries out a verb that writes.
    async fn write<T: Send + 'static>(
        &self,
        verb: Verb,
        work: impl Fn(&Transaction<'_>) -> RowResult<T> + Send + 'static,
    ) -> Result<T> {
        let writer = self.threads()?.writer;
        writer.write(verb, work).await
    }

    /// Carries out a verb that only reads.
    async fn read<T: Send + 'static>(
        &self,
        verb: Verb,
        ask: impl FnOnce(&rusqlite::Connection) -> RowResult<T> + Send + 'static,
    ) -> Result<T> {
        let readers = self.threads()?.readers;
        readers.read(verb, ask).await
    }

    /// Carries out a verb that only reads, for people: its cost depends on the question and on the size of the history.
    async fn read_for_people<T: Send + 'static>(
        &self,
        verb: Verb,
        ask: impl FnOnce(&rusqlite::Connection) -> RowResult<T> + Send + 'static,
    ) -> Result<T> {
        let people = self.threads()?.people;
        people.read(verb, ask).await
    }

    /// Carries out a verb that walks over all permits of an app: one after the other, so that the lists and searches of people
    /// never queue behind them.
    async fn count<T: Send + 'static>(
        &self,
        verb: Verb,
        ask: impl FnOnce(&rusqlite::Connection) -> RowResult<T> + Send + 'static,
    ) -> Result<T> {
        let counting = self.threads()?.counting;
        counting.read(verb, ask).await
    }

    fn threads(&self) -> Result<Threads> {
        let threads = self.threads.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        threads.clone().ok_or(StoreError::Closed)
    }

    /// Lets the threads finish what has queued up, and waits for them. The writer goes last: closing the last connection
    /// copies the log into the file, and a reader may not write.
    async fn shut(&self) {
        let threads = self.threads.write().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let [readers_ended, people_ended, counting_ended, writer_ended] = &self.ended;
        let writer = threads.map(|Threads { writer, readers, people, counting }| {
            drop((readers, people, counting));
            writer
        });
        // Nothing is ever sent; the call returns when the channel has closed.
        let _closed = readers_ended.recv_async().await;
        let _closed = people_ended.recv_async().await;
        let _closed = counting_ended.recv_async().await;
        drop(writer);
        let _closed = writer_ended.recv_async().await;
    }
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;

    use super::readers::count_for_ever;
    use super::*;
    use crate::Store;

    #[tokio::test(flavor = "multi_thread")]
    async fn however_long_peoples_questions_take_the_machines_are_answered() {
        let dir = tempfile::tempdir().unwrap();
        let patience = Duration::from_secs(60);
        let config = SqliteConfig { people_limit: patience, ..SqliteConfig::new(dir.path().join("h.db")) };
        let readers = config.people;
        let store = SqliteStore::open(config).unwrap();
        // More than there are readers for people. Each lasts until the machine's questions are answered.
        let (answered, are_answered) = flume::bounded::<()>(0);
        let (begun, has_begun) = flume::unbounded();
        let long: Vec<_> = (0..readers * 2)
            .map(|_| {
                let (store, begun, are_answered) = (store.clone(), begun.clone(), are_answered.clone());
                tokio::spawn(async move {
                    let ask = move |_: &rusqlite::Connection| {
                        let _told = begun.send(());
                        let _closed = are_answered.recv();
                        Ok(())
                    };
                    store.read_for_people(Verb::ListMessages, ask).await
                })
            })
            .collect();
        for _ in 0..readers {
            has_begun.recv_async().await.unwrap();
        }
        let machine = async {
            for _ in 0..100 {
                assert_eq!(store.key([1; 32]).await.unwrap(), None);
                assert_eq!(store.gateway_token([1; 32], UnixMillis(0)).await.unwrap(), None);
            }
        };
        tokio::time::timeout(patience, machine)
            .await
            .expect("no question of the machine queues behind people's");
        assert!(long.iter().all(|question| !question.is_finished()));
        drop(answered);
        for question in long {
            question.await.unwrap().unwrap();
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_question_of_people_is_broken_off_at_the_limit_of_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let limit = Duration::from_millis(100);
        let config = SqliteConfig { people_limit: limit, ..SqliteConfig::new(dir.path().join("h.db")) };
        let store = SqliteStore::open(config).unwrap();
        let answer = store.read_for_people(Verb::ListMessages, count_for_ever).await;
        assert!(matches!(answer, Err(StoreError::TookTooLong { .. })), "{answer:?}");
        store.close().await;
    }
}
