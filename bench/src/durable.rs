//! The limits of this disk and this SQLite. They take most of the time of a durable message, and machines differ.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde::Serialize;

use crate::Result;

/// How long each limit is measured.
const MEASURED: Duration = Duration::from_secs(2);

/// Rows of one transaction: the default number of connections, so the most messages that one commit can have.
const ROWS: u32 = 64;

/// A row's body has about the size of a message.
const BODY: [u8; 300] = [b'x'; 300];

/// What the disk and SQLite can do at best.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Limit {
    /// Rows a second, inserted in durable transactions of 64.
    pub(crate) rows_per_second: f64,
    /// Durable appends of 4 KiB a second.
    pub(crate) fsyncs_per_second: f64,
}

/// Measures both limits in this directory.
pub(crate) fn measure(dir: &Path) -> Result<Limit> {
    Ok(Limit {
        rows_per_second: rows(dir).map_err(|error| format!("SQLite's limit cannot be measured: {error}"))?,
        fsyncs_per_second: fsyncs(dir)
            .map_err(|error| format!("the disk's limit cannot be measured: {error}"))?,
    })
}

fn rows(dir: &Path) -> rusqlite::Result<f64> {
    let mut db = Connection::open(dir.join("limit.db"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE message (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")?;
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < MEASURED {
        let transaction = db.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO message (body) VALUES (?1)")?;
            for _ in 0..ROWS {
                insert.execute([&BODY[..]])?;
            }
        }
        transaction.commit()?;
        count += ROWS;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

fn fsyncs(dir: &Path) -> std::io::Result<f64> {
    let mut file = File::create(dir.join("limit.bin"))?;
    let page = [0; 4096];
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < MEASURED {
        file.write_all(&page)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}
