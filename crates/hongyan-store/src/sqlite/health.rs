//! Whether the file is whole: a bounded look at each start, a whole one when somebody asks.
//!
//! SQLite itself notices damage only when it reads the page. Without a look, a gateway would start on a file that was
//! cut short or overwritten, take messages, and fail on the first user whose page is hit. So each start looks at what
//! is small and at both ends of what is large, then at as much of the rest as its time allows: all of a small
//! database, a part of a large one. The whole look reads every page.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use super::open;
use super::row_error::{Refusal, RowError, RowResult};
use crate::Result;

/// How much to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What is small, both ends of what is large, and as much of the rest as fits into this time.
    AtMost(Duration),
    /// Every page: whether it is what it should be.
    Pages,
    /// Every page, and whether each index says the same as its table. Takes several times as long.
    Indexes,
}

/// What a look has seen. Damage is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// All that was asked for.
    Whole,
    /// The time was up before the end.
    InPart,
}

/// What is going on, for somebody who watches. The answer `false` ends it.
pub type Watcher = Arc<dyn Fn(Stage) -> bool + Send + Sync>;

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// So many of so many bytes are copied.
    Copying {
        /// So many.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// Pages are being looked at. How many there are left is not known.
    Looking,
}

/// The time that a start may spend on looking. A start on ten million messages shall take less than a second.
pub const AT_A_START: Duration = Duration::from_millis(300);

/// SQLite asks whether to go on after so many steps; some of them read a page from the disk.
const STEPS_BETWEEN_QUESTIONS: i32 = 100;

/// SQLite's cache while it looks, as it wants to be told: in KiB, negative.
const CACHE_KIB: i64 = -32 * 1024;

/// The most complaints that are repeated: one damaged page makes many.
const MAX_COMPLAINTS: u32 = 5;

/// Tables that stay small and without which nothing works.
const SMALL: [&str; 6] = ["apps", "templates", "tokens", "api_keys", "heartbeat", "refinery_schema_history"];

/// Large trees, each with a look at both of its ends. A page of a tree that is not on the way to an end is found by
/// the rest of the look, if its time allows, or when it is needed.
const ENDS: [(&str, &str); 6] = [
    ("messages", "FROM messages ORDER BY id"),
    (
        "messages_due",
        "FROM messages INDEXED BY messages_due WHERE wake_at IS NOT NULL ORDER BY lane, wake_at",
    ),
    ("messages_sending", "FROM messages INDEXED BY messages_sending WHERE state = 3 ORDER BY lane"),
    (
        "messages_queued",
        "FROM messages INDEXED BY messages_queued WHERE state IN (1, 2) ORDER BY lane, state, appid",
    ),
    ("user_entries", "FROM user_entries ORDER BY lane, user_no, entry, id"),
    ("users", "FROM users ORDER BY lane, appid, openid"),
];

/// Tables of rows whose ids name their lanes, and what a row is.
const IN_LANES: [(&str, &str); 3] = [
    ("messages", "a message"),
    ("user_entries", "a permit, or an entry of a message,"),
    ("events", "an event of WeChat's"),
];

/// What SQLite does not know to belong together: each message has its entry in its user's name, and each such entry has its
/// message. In words, with a statement that finds one that has not.
const ENTRIES: [(&str, &str); 2] = [
    (
        "which its user's entries lack",
        "SELECT hex(id) FROM messages WHERE NOT EXISTS (SELECT 1 FROM user_entries AS own WHERE own.lane = messages.lane \
         AND own.user_no = messages.user_no AND own.entry = COALESCE(messages.key_hash, 1) AND own.id = messages.id) LIMIT 1",
    ),
    (
        "which is not there, though its user's entries name it",
        "SELECT hex(id) FROM user_entries WHERE entry >= 1 AND NOT EXISTS (SELECT 1 FROM messages AS own \
         WHERE own.id = user_entries.id AND own.lane = user_entries.lane) LIMIT 1",
    ),
];

/// Looks at a database without changing it, whether it is served or not.
///
/// # Errors
/// [`crate::StoreError::Corrupt`] with what is damaged; [`crate::StoreError::Open`] and [`crate::StoreError::Newer`]
/// as when it is opened.
pub fn look(path: &Path, depth: Depth, watcher: Option<&Watcher>) -> Result<Looked> {
    open::check_owner(path)?;
    let db = open::reader(path)?;
    examine(&db, depth, watcher).map_err(|trouble| trouble.in_verb("look at the whole database"))
}

fn examine(db: &Connection, depth: Depth, watcher: Option<&Watcher>) -> RowResult<Looked> {
    if let Depth::AtMost(_) = depth {
        what_is_small(db)?;
        both_ends(db)?;
    }
    let until = match depth {
        Depth::AtMost(patience) => Some(Instant::now() + patience),
        Depth::Pages | Depth::Indexes => None,
    };
    let watcher = watcher.cloned();
    let enough = move || {
        until.is_some_and(|until| Instant::now() >= until)
            || watcher.as_ref().is_some_and(|watcher| !watcher(Stage::Looking))
    };
    db.progress_handler(STEPS_BETWEEN_QUESTIONS, Some(enough))?;
    // Pages of a tree are not asked for in order: with the readers' small cache many would be read twice.
    db.pragma_update(None, "cache_size", CACHE_KIB)?;
    let pragma = if depth == Depth::Indexes { "integrity_check" } else { "quick_check" };
    let complaints =
        complaints(db, pragma, None)
            .and_then(|found| if found.is_empty() { impossible_ids(db) } else { Ok(found) })
            .and_then(|found| {
                if found.is_empty() && depth == Depth::Indexes { missing_entries(db) } else { Ok(found) }
            });
    db.progress_handler(0, None::<fn() -> bool>)?;
    match complaints {
        Err(RowError::Refused { kind: Refusal::Interrupted, .. }) => Ok(Looked::InPart),
        complaints => none(&complaints?).map(|()| Looked::Whole),
    }
}

fn what_is_small(db: &Connection) -> RowResult<()> {
    for table in SMALL {
        if is_there(db, table)? {
            none(&complaints(db, "quick_check", Some(table))?)?;
        }
    }
    Ok(())
}

fn both_ends(db: &Connection) -> RowResult<()> {
    for (tree, from) in ENDS {
        if !is_there(db, tree)? {
            continue;
        }
        let (rows, order) = from.split_once(" ORDER BY ").expect("each names its order");
        let first = order.split(", ").next().unwrap_or("1");
        let backwards = order.replace(", ", " DESC, ");
        for sql in [
            format!("SELECT {first} {rows} ORDER BY {order} LIMIT 1"),
            format!("SELECT {first} {rows} ORDER BY {backwards} DESC LIMIT 1"),
        ] {
            db.query_row(&sql, [], |_| Ok(())).optional()?;
        }
    }
    Ok(())
}

fn is_there(db: &Connection, name: &str) -> RowResult<bool> {
    Ok(db.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)", [name], |row| row.get(0))?)
}

/// Ids that were never made here: the last byte of each is the lane that its row is in. SQLite has nothing against others,
/// but whoever reads such a row cannot go on.
fn impossible_ids(db: &Connection) -> RowResult<Vec<String>> {
    for (table, what) in IN_LANES {
        if !is_there(db, table)? {
            continue;
        }
        let sql = format!(
            "SELECT hex(id), lane FROM {table} WHERE length(id) <> 16 OR lane NOT BETWEEN 0 AND 63 \
             OR hex(substr(id, 16)) <> printf('%02X', lane) LIMIT 1"
        );
        let found =
            db.query_row(&sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).optional()?;
        if let Some((id, lane)) = found {
            return Ok(vec![format!(
                "there is {what} in the lane {lane} with the id {id}, which was never made here"
            )]);
        }
    }
    Ok(Vec::new())
}

/// Messages and entries that have lost each other.
fn missing_entries(db: &Connection) -> RowResult<Vec<String>> {
    if !is_there(db, "user_entries")? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (words, sql) in ENTRIES {
        if let Some(id) = db.query_row(sql, [], |row| row.get::<_, String>(0)).optional()? {
            found.push(format!("there is a message with the id {id} {words}"));
        }
    }
    Ok(found)
}

/// What SQLite's own check says, but its "ok".
fn complaints(db: &Connection, pragma: &str, table: Option<&str>) -> RowResult<Vec<String>> {
    let argument = table.map_or_else(|| MAX_COMPLAINTS.to_string(), |table| format!("'{table}'"));
    let mut statement = db.prepare(&format!("PRAGMA {pragma}({argument})"))?;
    let mut rows = statement.query([])?;
    let mut complaints = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            complaints.push(text.trim_start_matches("*** in database main ***").trim().replace('\n', "; "));
        }
    }
    Ok(complaints)
}

fn none(complaints: &[String]) -> RowResult<()> {
    if complaints.is_empty() { Ok(()) } else { Err(RowError::corrupt(complaints.join("; "))) }
}
