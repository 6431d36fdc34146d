//! Whether the file is damaged: a short check at each start, a complete check on request.
//!
//! SQLite itself notices damage only when it reads the damaged page. Without a check, a gateway would start on a file that
//! was truncated or overwritten, accept messages, and fail at the first user whose page is damaged. So each start checks the
//! small tables and both ends of the large trees. Then it checks as much of the rest as its time allows: all of a small
//! database, a part of a large one. The complete check reads every page.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use super::open;
use super::row_error::{Refusal, RowError, RowResult};
use crate::Result;

/// How much to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The small tables, both ends of the large trees, and as much of the rest as fits into this time.
    AtMost(Duration),
    /// Every page.
    Pages,
    /// Every page, and whether each index agrees with its table. This takes several times as long.
    Indexes,
}

/// How much a check has seen. Damage is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// All that was asked for was checked.
    Whole,
    /// The time was up before the end.
    InPart,
}

/// Called with the progress of a check or a copy. Returning `false` stops the work.
pub type Watcher = Arc<dyn Fn(Stage) -> bool + Send + Sync>;

/// The progress of a check or a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Bytes are being copied.
    Copying {
        /// How many bytes are copied.
        done: u64,
        /// How many bytes there are.
        total: u64,
    },
    /// Pages are being checked. How many are left is not known.
    Looking,
}

/// How long the check at a start may take. A start with ten million messages shall take less than a second.
pub const AT_A_START: Duration = Duration::from_millis(300);

/// SQLite calls the progress handler after so many steps of its virtual machine; a step may read a page from the disk.
const STEPS_BETWEEN_QUESTIONS: i32 = 100;

/// The size of SQLite's cache during the check, in KiB. SQLite wants it as a negative number.
const CACHE_KIB: i64 = -32 * 1024;

/// How many complaints are reported, at most: one damaged page causes many.
const MAX_COMPLAINTS: u32 = 5;

/// Tables that stay small and that everything needs.
const SMALL: [&str; 6] = ["apps", "templates", "tokens", "api_keys", "heartbeat", "refinery_schema_history"];

/// Large trees, with queries that touch both of their ends. A damaged page in the middle of a tree is found by the rest of
/// the check, if its time allows, or by the verb that reads the page.
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

/// Tables of rows whose ids contain their lanes, and the words for a row.
const IN_LANES: [(&str, &str); 3] = [
    ("messages", "a message"),
    ("user_entries", "a permit, or an entry of a message,"),
    ("events", "an event of WeChat's"),
];

/// Relations that SQLite does not know: each message has its entry among its user's entries, and each such entry has its
/// message. The words of the complaint, and a statement that finds a broken relation.
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

/// Checks a database without changing it; the database may be served meanwhile.
///
/// # Errors
/// [`crate::StoreError::Corrupt`] with what is damaged; [`crate::StoreError::Open`] and [`crate::StoreError::Newer`] like
/// when it is opened.
pub fn look(path: &Path, depth: Depth, watcher: Option<&Watcher>) -> Result<Looked> {
    open::check_owner(path)?;
    let db = open::reader(path, open::PEOPLE_CACHE)?;
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
    // The check does not read the pages of a tree in order: with the readers' small cache it would read many pages twice.
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

/// Ids that this program never made: the last byte of each id must be the lane of its row. SQLite does not know this rule,
/// but a verb that reads such a row fails.
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

/// Messages without their entry, and entries without their message.
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

/// The lines of SQLite's own check, without its "ok".
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
