//! Copying the log back into the file, beside the thread that writes.
//!
//! SQLite does it by itself in the commit that finds the log long, and all who wait for the writer wait for it: tens
//! of milliseconds, a few times a minute. So a thread of its own copies while the writer goes on writing. A log is begun
//! anew only when all of it was copied, and under load something always came meanwhile: so the thread copies that, too,
//! and again, and the last few pages are copied by the writer.
//!
//! Two connections of which one copies the log while the other begins it anew need SQLite 3.51.3 or newer; before,
//! they could damage the file (sqlite.org/wal.html, "the WAL-reset bug").

use std::thread::{self, JoinHandle};

use rusqlite::Connection;

/// So many pages (of 4 KiB) are worth copying. The more, the more often one of them is written anew meanwhile, and
/// copied once for many times.
const WORTH_COPYING: i64 = 4_000;

/// How often the thread goes after what came meanwhile. SQLite syncs the file only when it has found the log's end, and
/// that should not be left to the writer; the first time rarely finds it, the third mostly does.
const MOST_PASSES: usize = 8;

/// The thread that copies, as the writer sees it. Must be dropped before the last connection is closed, for that one
/// copies all and removes the log.
pub(super) struct Checkpointer {
    /// `None` once the thread is to end.
    orders: Option<flume::Sender<()>>,
    /// An order was carried out.
    copied: flume::Receiver<()>,
    under_way: bool,
    /// How long the log is, in pages, when the next order is given.
    due: i64,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(own: Connection) -> std::io::Result<Self> {
        let (orders, ordered) = flume::bounded(1);
        let (done, copied) = flume::bounded(1);
        let thread = thread::Builder::new().name("hongyan-checkpoint".into()).spawn(move || {
            while let Ok(()) = ordered.recv() {
                for _pass in 0..MOST_PASSES {
                    if copy(&own).is_none() || look(&own).is_none_or(|log| log.left() == 0) {
                        break;
                    }
                }
                // The writer may have gone.
                let _gone = done.send(());
            }
        })?;
        Ok(Self { orders: Some(orders), copied, under_way: false, due: WORTH_COPYING, thread: Some(thread) })
    }

    /// To be called by the writer between two transactions, with its connection.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        if self.under_way {
            if self.copied.try_recv().is_ok() {
                self.under_way = false;
                // What is left because somebody reads an old state, or because the disk is full, is left for a while:
                // it would be tried again with each commit.
                self.due = copy(writer).map_or(self.due, Log::left) + WORTH_COPYING;
            }
        } else if look(writer).is_some_and(|log| log.pages >= self.due) {
            self.under_way = self.orders.as_ref().is_some_and(|orders| orders.try_send(()).is_ok());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // If it has panicked, that was reported.
            let _ended = thread.join();
        }
    }
}

/// How long the log is, and how much of it was copied.
#[derive(Debug, Clone, Copy)]
struct Log {
    pages: i64,
    copied: i64,
}

impl Log {
    /// Its length when the next transaction begins: it is begun anew if all of it was copied.
    const fn left(self) -> i64 {
        if self.copied < self.pages { self.pages } else { 0 }
    }
}

fn look(db: &Connection) -> Option<Log> {
    ask(db, "PRAGMA wal_checkpoint(NOOP)").ok()
}

/// Copies what can be copied without waiting for anybody.
fn copy(db: &Connection) -> Option<Log> {
    let copied = ask(db, "PRAGMA wal_checkpoint(PASSIVE)");
    if let Err(why) = &copied {
        tracing::warn!(%why, "the database's log was not copied back into the file; it grows until it can be");
    }
    copied.ok()
}

fn ask(db: &Connection, pragma: &str) -> rusqlite::Result<Log> {
    db.prepare_cached(pragma)?.query_row([], |row| Ok(Log { pages: row.get(1)?, copied: row.get(2)? }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sqlite::open;

    /// A writer's connection and its checkpointer, which copies a log of any length.
    fn writer(path: &Path) -> (Connection, Checkpointer) {
        let db = open::writer(path).unwrap();
        db.execute_batch("CREATE TABLE filled (content BLOB)").unwrap();
        let mut checkpointer = Checkpointer::start(open::checkpointer(path, &db).unwrap()).unwrap();
        checkpointer.due = 1;
        (db, checkpointer)
    }

    /// One commit of some 25 pages, and what the checkpointer makes of it once the thread has done what it was told.
    fn write(db: &Connection, checkpointer: &mut Checkpointer) -> Log {
        db.execute("INSERT INTO filled VALUES (randomblob(100000))", []).unwrap();
        checkpointer.after_commit(db);
        while checkpointer.under_way && checkpointer.copied.is_empty() {
            thread::yield_now();
        }
        look(db).unwrap()
    }

    fn count(db: &Connection) -> i64 {
        db.query_row("SELECT COUNT(*) FROM filled", [], |row| row.get(0)).unwrap()
    }

    /// Somebody who reads the state of now, in which nothing is filled in, until it is dropped.
    fn reader_of_now(path: &Path) -> Connection {
        let db = open::reader(path).unwrap();
        db.execute_batch("BEGIN").unwrap();
        assert_eq!(count(&db), 0);
        db
    }

    #[test]
    fn needs_an_sqlite_in_which_one_connection_may_copy_while_another_begins_the_log_anew() {
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }

    #[test]
    fn a_log_that_is_copied_beside_the_writer_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (db, mut checkpointer) = writer(&dir.path().join("h.db"));
        let by_thread = write(&db, &mut checkpointer);
        assert_eq!((by_thread.copied, by_thread.left()), (by_thread.pages, 0));
        let anew = write(&db, &mut checkpointer);
        assert!(!checkpointer.under_way && anew.pages < by_thread.pages + 20, "{anew:?} after {by_thread:?}");
    }

    #[test]
    fn the_writer_copies_what_the_thread_could_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h.db");
        let (db, mut checkpointer) = writer(&path);
        let old = reader_of_now(&path);
        let kept = write(&db, &mut checkpointer);
        assert!(
            checkpointer.under_way && kept.left() == kept.pages,
            "somebody reads what was before: {kept:?}"
        );
        assert_eq!(count(&old), 0, "and sees it still");
        drop(old);
        let by_writer = write(&db, &mut checkpointer);
        assert!(
            !checkpointer.under_way && by_writer.pages > kept.pages && by_writer.left() == 0,
            "{by_writer:?}"
        );
        assert_eq!(checkpointer.due, WORTH_COPYING);
    }

    #[test]
    fn a_log_that_must_be_kept_is_not_tried_with_each_commit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h.db");
        let (db, mut checkpointer) = writer(&path);
        let _old = reader_of_now(&path);
        write(&db, &mut checkpointer);
        let kept = write(&db, &mut checkpointer);
        assert_eq!((kept.left(), checkpointer.due), (kept.pages, kept.pages + WORTH_COPYING));
        write(&db, &mut checkpointer);
        assert!(!checkpointer.under_way);
    }
}
