//! The yardstick: a durable row per message, written twice, and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::oneshot;

use crate::Result;
use crate::world::BODY;

/// The same as the store's writer.
const MAX_GROUP: usize = 512;

/// The same as the store's connection.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -8192;
    CREATE TABLE plain (id INTEGER PRIMARY KEY, body BLOB NOT NULL, state INTEGER NOT NULL, ended_at INTEGER);
";

/// A row to write, and the channel for its id. `None` inserts a new row; an id updates this row.
type Command = (Option<i64>, oneshot::Sender<i64>);

/// A writer thread with group commit. The thread ends when this is dropped.
pub(crate) struct Plain {
    inbox: flume::Sender<Command>,
}

impl Plain {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let db = Connection::open(path)?;
        db.execute_batch(SETTINGS)?;
        let (inbox, commands) = flume::bounded(4096);
        thread::Builder::new().name("plain-writer".into()).spawn(move || serve(db, &commands))?;
        Ok(Self { inbox })
    }

    async fn write(&self, row: Option<i64>) -> Result<i64> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send_async((row, reply)).await.map_err(|_| "the writer is gone")?;
        Ok(answer.await?)
    }
}

/// One message: inserts its row, then updates it.
pub(crate) async fn one(plain: Arc<Plain>) -> Result<()> {
    let row = plain.write(None).await?;
    plain.write(Some(row)).await?;
    Ok(())
}

/// A failure ends the thread, and all callers that wait get an error.
fn serve(mut db: Connection, commands: &flume::Receiver<Command>) {
    while let Ok(first) = commands.recv() {
        let group: Vec<_> = std::iter::once(first).chain(commands.try_iter().take(MAX_GROUP - 1)).collect();
        match transact(&mut db, &group) {
            Ok(rows) => {
                for ((_, reply), row) in group.into_iter().zip(rows) {
                    let _gone = reply.send(row);
                }
            }
            Err(why) => return eprintln!("the yardstick failed: {why}"),
        }
    }
}

fn transact(db: &mut Connection, group: &[Command]) -> rusqlite::Result<Vec<i64>> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut rows = Vec::with_capacity(group.len());
    for (row, _) in group {
        rows.push(match row {
            None => {
                let mut insert =
                    transaction.prepare_cached("INSERT INTO plain (body, state) VALUES (?, 3)")?;
                insert.insert([BODY])?
            }
            Some(row) => {
                let mut end =
                    transaction.prepare_cached("UPDATE plain SET state = 4, ended_at = ? WHERE id = ?")?;
                end.execute(params![row, row])?;
                *row
            }
        });
    }
    transaction.commit()?;
    Ok(rows)
}
