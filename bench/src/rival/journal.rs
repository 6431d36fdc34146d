//! The forwarder's rows, and the one thread that writes them, with group commit.

use std::path::Path;
use std::thread;

use bytes::Bytes;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::oneshot;

use crate::Result;

/// The value of the gateway's writer.
const MAX_GROUP: usize = 512;
/// The value of the gateway's writer.
const MAX_QUEUE: usize = 4096;

/// The settings of the gateway's connection that writes.
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

/// Accepted, but without an outcome.
const OPEN: u8 = 0;
/// WeChat accepted the message.
pub(crate) const SENT: u8 = 1;
/// WeChat refused the message, or gave no answer.
pub(super) const FAILED: u8 = 2;

/// A command to the writer.
pub(super) enum Command {
    /// A new message.
    Insert { body: Bytes, committed: oneshot::Sender<()> },
    /// The outcome of a message.
    Settle { number: i64, state: u8 },
    /// No messages will be inserted any more.
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
    /// The messages to send. Closed after [`Command::Stop`].
    pub(super) rows: flume::Receiver<Row>,
    thread: thread::JoinHandle<rusqlite::Result<()>>,
}

impl Journal {
    /// Opens the file and queues all messages without an outcome.
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

    /// Lets the workers end after the queue is empty.
    pub(super) fn stop(&self) {
        // This fails only if the thread has already ended, which `end` reports.
        let _ = self.inbox.send(Command::Stop);
    }

    /// Waits until everything is written. All other senders of the inbox must have been dropped.
    pub(super) fn end(self) -> Result {
        drop((self.inbox, self.rows));
        let ended = self.thread.join().map_err(|_| "the thread of the journal panicked".to_owned())?;
        ended.map_err(|error| format!("the journal: {error}"))
    }
}

fn requeue(db: &Connection, queue: &flume::Sender<Row>) -> rusqlite::Result<()> {
    let mut open = db.prepare("SELECT number, body FROM messages WHERE state = ? ORDER BY number")?;
    let mut rows = open.query([OPEN])?;
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(1)?;
        // This cannot fail: the caller holds the receiver.
        let _ = queue.send(Row { number: row.get(0)?, body: body.into() });
    }
    Ok(())
}

/// Takes all commands that came while the last group was written, and commits them together. An error ends the thread; the
/// service then answers every request with 503.
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
            // The caller may have gone away. Without a queue, the next start sends the message.
            let _ = committed.send(());
            if let Some(queue) = &queue {
                let _ = queue.send(row);
            }
        }
    }
    db.close().map_err(|(_, error)| error)
}

/// States, and the number of rows in each state.
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
    fn a_message_without_an_outcome_is_sent_after_the_next_start() {
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
        assert!(again.rows.is_empty(), "a message with an outcome was queued again");
        again.stop();
        again.end().unwrap();
    }
}
