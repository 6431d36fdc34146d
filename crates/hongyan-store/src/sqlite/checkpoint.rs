//! Copies the write-ahead log back into the file (a checkpoint), on a thread beside the writer.
//!
//! By default SQLite does this in the commit that finds the log long, and all callers wait for it: tens of milliseconds, a
//! few times a minute. So a thread of its own copies while the writer goes on. SQLite restarts a log at its beginning only
//! after all of it was copied, and under load the writer has always appended something meanwhile. So the thread copies
//! again, several times, and the writer copies the last few pages.
//!
//! Two connections, one of which copies the log while the other restarts it, need SQLite 3.51.3 or newer: older versions
//! could damage the file (sqlite.org/wal.html, "the WAL-reset bug").

use std::thread::{self, JoinHandle};

use rusqlite::Connection;

/// A log of so many pages (of 4 KiB) is copied. With a larger number more pages are written several times before they are
/// copied once.
const WORTH_COPYING: i64 = 4_000;

/// How often the thread copies again what came meanwhile. SQLite syncs the file only in a copy that reaches the log's end,
/// and the writer should not have to do that. The first copy rarely reaches the end, the third mostly does.
const MOST_PASSES: usize = 8;

/// The writer's handle to the thread that copies. It must be dropped before the last connection is closed, because closing
/// the last connection copies the whole log and removes it.
pub(super) struct Checkpointer {
    /// `None` when the thread is to end.
    orders: Option<flume::Sender<()>>,
    /// Receives a message when an order was carried out.
    copied: flume::Receiver<()>,
    under_way: bool,
    /// The length of the log, in pages, at which the next order is given.
    due: i64,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread, with this connection.
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
                // The writer may have ended.
                let _gone = done.send(());
            }
        })?;
        Ok(Self { orders: Some(orders), copied, under_way: false, due: WORTH_COPYING, thread: Some(thread) })
    }

    /// To be called by the writer between two transactions, with the writer's connection.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        if self.under_way {
            if self.copied.try_recv().is_ok() {
                self.under_way = false;
                // If pages are left because a reader uses an old snapshot, or because the disk is full, try again only after
                // the log has grown. Otherwise each commit would try again.
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
            // A panic of the thread was reported already.
            let _ended = thread.join();
        }
    }
}

/// How long the log is, and how many pages of it were copied.
#[derive(Debug, Clone, Copy)]
struct Log {
    pages: i64,
    copied: i64,
}

impl Log {
    /// The log's length when the next transaction begins: zero if all was copied, because the log is restarted then.
    const fn left(self) -> i64 {
        if self.copied < self.pages { self.pages } else { 0 }
    }
}

fn look(db: &Connection) -> Option<Log> {
    ask(db, "PRAGMA wal_checkpoint(NOOP)").ok()
}

/// Copies as much as possible without waiting for readers or the writer.
fn copy(db: &Connection) -> Option<Log> {
    let copied = ask(db, "PRAGMA wal_checkpoint(PASSIVE)");
    if let Err(why) = &copied {
        tracing::warn!(%why, "the database's log could not be copied into the file, and grows until it can");
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

    /// A writer's connection, with a checkpointer that copies a log of any length.
    fn writer(path: &Path) -> (Connection, Checkpointer) {
        let db = open::writer(path).unwrap();
        db.execute_batch("CREATE TABLE filled (content BLOB)").unwrap();
        let mut checkpointer = Checkpointer::start(open::checkpointer(path, &db).unwrap()).unwrap();
        checkpointer.due = 1;
        (db, checkpointer)
    }

    /// Makes one commit of some 25 pages, waits until the thread has done its order, and returns the log.
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

    /// A reader of the present state, which still has no rows. It keeps its snapshot until it is dropped.
    fn reader_of_now(path: &Path) -> Connection {
        let db = open::reader(path, open::PEOPLE_CACHE).unwrap();
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
            "a reader has an old snapshot: {kept:?}"
        );
        assert_eq!(count(&old), 0, "the reader still sees the old state");
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
