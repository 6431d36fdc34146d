//! The forwarder's rows, and the one thread that writes them, with group commit.

use std::path::Path;
use std::thread;

use bytes::Bytes;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::oneshot;

use crate::Result;

/// As the gateway's writer.
const MAX_GROUP: usize = 512;
/// As the gateway's writer.
const MAX_QUEUE: usize = 4096;

/// As the gateway's connection that writes.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -8192;
";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        number INTEGER PRIMARY KEY,
        body   BLOB    NOT NULL,
        state  INTEGER NOT NULL
    ) STRICT;
";

/// Accepted, without an outcome.
const OPEN: u8 = 0;
/// WeChat took it.
pub(crate) const SENT: u8 = 1;
/// WeChat did not.
pub(super) const FAILED: u8 = 2;

/// What to write.
pub(super) enum Command {
    /// A new message.
    Insert { body: Bytes, committed: oneshot::Sender<()> },
    /// What became of one.
    Settle { number: i64, state: u8 },
    /// No more are inserted.
    Stop,
}

/// A committed message on its way to a worker.
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) body: Bytes,
}

/// The thread and its queues.
pub(super) struct Journal {
    pub(super) inbox: flume::Sender<Command>,
    /// What is to be sent. Closed after [`Command::Stop`].
    pub(super) rows: flume::Receiver<Row>,
    thread: thread::JoinHandle<rusqlite::Result<()>>,
}

impl Journal {
    /// Opens the file and queues what has no outcome.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let db = Connection::open(path).map_err(|error| failed(&error))?;
        db.execute_batch(SETTINGS).map_err(|error| failed(&error))?;
        db.execute_batch(SCHEMA).map_err(|error| failed(&error))?;
        let (inbox, commands) = flume::bounded(MAX_QUEUE);
        let (queue, rows) = flume::unbounded();
        requeue(&db, &queue).map_err(|error| failed(&error))?;
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || write(db, &commands, queue))
            .map_err(|error| failed(&error))?;
        Ok(Self { inbox, rows, thread })
    }

    /// Lets the workers end when what is queued has been sent.
    pub(super) fn stop(&self) {
        // It fails only when the thread has ended already, which `end` reports.
        let _ = self.inbox.send(Command::Stop);
    }

    /// Waits until everything is written. The last inbox besides this one's must have been dropped.
    pub(super) fn end(self) -> Result {
        drop((self.inbox, self.rows));
        let ended = self.thread.join().map_err(|_| "the journal's thread broke".to_owned())?;
        ended.map_err(|error| format!("the journal: {error}"))
    }
}

fn requeue(db: &Connection, queue: &flume::Sender<Row>) -> rusqlite::Result<()> {
    let mut open = db.prepare("SELECT number, body FROM messages WHERE state = ? ORDER BY number")?;
    let mut rows = open.query([OPEN])?;
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(1)?;
        // The other end is with the caller.
        let _ = queue.send(Row { number: row.get(0)?, body: body.into() });
    }
    Ok(())
}

/// Takes all commands that have queued up while the last group was written, and commits them together. An error ends
/// the thread, and with it the service: every caller is answered that it is not available.
fn write(
    mut db: Connection,
    commands: &flume::Receiver<Command>,
    queue: flume::Sender<Row>,
) -> rusqlite::Result<()> {
    let mut queue = Some(queue);
    let mut group = Vec::with_capacity(MAX_GROUP);
    let mut inserted = Vec::with_capacity(MAX_GROUP);
    while let Ok(first) = commands.recv() {
        group.push(first);
        group.extend(commands.try_iter().take(MAX_GROUP - 1));
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO messages (body, state) VALUES (?, ?)")?;
            let mut settle = transaction.prepare_cached("UPDATE messages SET state = ? WHERE number = ?")?;
            for command in group.drain(..) {
                match command {
                    Command::Insert { body, committed } => {
                        let number = insert.insert(params![&body[..], OPEN])?;
                        inserted.push((Row { number, body }, committed));
                    }
                    Command::Settle { number, state } => {
                        settle.execute(params![state, number])?;
                    }
                    Command::Stop => queue = None,
                }
            }
        }
        transaction.commit()?;
        for (row, committed) in inserted.drain(..) {
            // A caller that went away does not want to know; without a queue the next start sends it.
            let _ = committed.send(());
            if let Some(queue) = &queue {
                let _ = queue.send(row);
            }
        }
    }
    db.close().map_err(|(_, error)| error)
}

/// How many rows are in which state.
pub(crate) type States = Vec<(u8, u32)>;

pub(super) fn states(path: &Path) -> Result<States> {
    let count = || -> rusqlite::Result<States> {
        let db = Connection::open(path)?;
        let mut counts = db.prepare("SELECT state, COUNT(*) FROM messages GROUP BY state ORDER BY state")?;
        counts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    count().map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_outcome_is_sent_after_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = Journal::open(&path).unwrap();
        for body in ["first", "second"] {
            let (committed, commit) = oneshot::channel();
            journal.inbox.send(Command::Insert { body: body.into(), committed }).unwrap();
            commit.blocking_recv().unwrap();
        }
        let number = journal.rows.recv().unwrap().number;
        journal.inbox.send(Command::Settle { number, state: SENT }).unwrap();
        journal.stop();
        journal.end().unwrap();
        assert_eq!(states(&path).unwrap(), [(OPEN, 1), (SENT, 1)]);

        let again = Journal::open(&path).unwrap();
        assert_eq!(&again.rows.recv().unwrap().body[..], b"second");
        assert!(again.rows.is_empty(), "only that one");
        again.stop();
        again.end().unwrap();
    }
}
