//! Counts what was written, in SQLite's write-ahead log itself.
//!
//! A reader that keeps an old snapshot open keeps SQLite from using the log's space again, so each page of each
//! commit stays there to be counted. That is why this is a pass of its own: nobody measures time in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::Result;

/// Sizes of the log's header and of a frame's (<https://www.sqlite.org/fileformat2.html#walformat>).
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The log, kept whole from some moment on.
pub(crate) struct Kept {
    reader: Connection,
}

/// What a log holds.
pub(crate) struct Written {
    /// Pages, each as often as it was written.
    pub(crate) frames: usize,
    /// Transactions.
    pub(crate) commits: usize,
    /// Pages by the table or index that they belong to, most first.
    pub(crate) by_table: Vec<(String, usize)>,
}

impl Kept {
    /// Empties the log and keeps what comes.
    pub(crate) fn from_here(path: &Path) -> Result<Self> {
        let reader = Connection::open(path)?;
        reader.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        reader.execute_batch("BEGIN; SELECT * FROM heartbeat;")?;
        Ok(Self { reader })
    }

    /// Reads the log.
    pub(crate) fn count(self, path: &Path) -> Result<Written> {
        let number = |bytes: &[u8]| -> Result<u32> { Ok(u32::from_be_bytes(bytes[..4].try_into()?)) };
        let log = std::fs::read(PathBuf::from(format!("{}-wal", path.display())))?;
        let page_size = number(&log[8..])? as usize;
        self.reader.execute_batch("COMMIT")?;
        let tables = tables(&self.reader)?;
        let mut written = Written { frames: 0, commits: 0, by_table: Vec::new() };
        let mut by_table = HashMap::<&str, usize>::new();
        for frame in log[HEADER..].chunks_exact(FRAME_HEADER + page_size) {
            written.frames += 1;
            // The size of the database after it stands in the last frame of each commit.
            written.commits += usize::from(number(&frame[4..])? != 0);
            let table = tables.get(&number(frame)?).map_or("(the file's header)", String::as_str);
            *by_table.entry(table).or_default() += 1;
        }
        written.by_table = by_table.into_iter().map(|(table, frames)| (table.to_owned(), frames)).collect();
        written.by_table.sort_by_key(|(_, frames)| std::cmp::Reverse(*frames));
        Ok(written)
    }
}

/// Which table or index each page belongs to now.
fn tables(db: &Connection) -> Result<HashMap<u32, String>> {
    let mut statement = db.prepare("SELECT pageno, name FROM dbstat")?;
    let pages = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(pages.collect::<rusqlite::Result<_>>()?)
}
