//! Counts what was written, in SQLite's write-ahead log itself.
//!
//! A reader with an old snapshot keeps SQLite from reusing the log's space. So each page of each commit stays in the log and
//! can be counted. That distorts times, so the counting is a pass of its own in which no time is measured.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::Result;

/// Sizes of the log's header and of a frame's header (<https://www.sqlite.org/fileformat2.html#walformat>).
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The log, kept completely from some moment on.
pub(crate) struct Kept {
    reader: Connection,
}

/// The contents of a log.
pub(crate) struct Written {
    /// How many pages were written; a page counts each time.
    pub(crate) frames: usize,
    /// How many transactions were committed.
    pub(crate) commits: usize,
    /// The pages by their table or index, the most first.
    pub(crate) by_table: Vec<(String, usize)>,
}

impl Kept {
    /// Empties the log, and keeps everything that is written from now on.
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
            // Only the last frame of each commit has the size of the database after the commit.
            written.commits += usize::from(number(&frame[4..])? != 0);
            let table = tables.get(&number(frame)?).map_or("(the file's header)", String::as_str);
            *by_table.entry(table).or_default() += 1;
        }
        written.by_table = by_table.into_iter().map(|(table, frames)| (table.to_owned(), frames)).collect();
        written.by_table.sort_by_key(|(_, frames)| std::cmp::Reverse(*frames));
        Ok(written)
    }
}

/// Which table or index each page belongs to.
fn tables(db: &Connection) -> Result<HashMap<u32, String>> {
    let mut statement = db.prepare("SELECT pageno, name FROM dbstat")?;
    let pages = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(pages.collect::<rusqlite::Result<_>>()?)
}
