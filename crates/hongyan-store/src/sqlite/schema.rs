//! Whether a file has the schema that its version has, and nothing else.
//!
//! A database that was put back may have been in other hands. A trigger in it would run with every statement of ours: one
//! that adds an API key when the health check writes is enough. So what stands in the file is compared with what the
//! migrations make, before anything of it is used.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::open::{migrate_to, user_number};

/// The table in which the migrations note what they did; the library makes it.
const HISTORY: &str = "refinery_schema_history";

/// The most strangers that are named.
const NAMED: usize = 5;

/// Every table, index, view and trigger, and every column: each in words.
fn parts(db: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut parts = BTreeSet::new();
    let mut objects = db.prepare(
        "SELECT type, name, tbl_name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name <> ?",
    )?;
    let mut rows = objects.query([HISTORY])?;
    while let Some(row) = rows.next()? {
        let (kind, name, table): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        parts.insert(format!("{kind} {name} on {table}"));
    }
    // What a table is: a virtual one runs code of its own. `hidden` tells generated columns.
    let mut columns = db.prepare(
        "SELECT list.type, list.name, own.name, own.type, own.\"notnull\", own.pk, own.hidden \
         FROM pragma_table_list AS list JOIN pragma_table_xinfo(list.name) AS own \
         WHERE list.schema = 'main' AND list.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND list.name <> ?",
    )?;
    let mut rows = columns.query([HISTORY])?;
    while let Some(row) = rows.next()? {
        let (kind, table, column, of): (String, String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (not_null, key, hidden): (i64, i64, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
        parts.insert(format!("column {column} of the {kind} {table} ({of} {not_null} {key} {hidden})"));
    }
    Ok(parts)
}

/// What a file of this version has that it should not have, or lacks; `None`: it is as it should be.
pub(super) fn difference(db: &Connection, version: i64) -> rusqlite::Result<Option<String>> {
    let found = parts(db)?;
    let mut fresh = Connection::open_in_memory()?;
    user_number(&fresh)?;
    migrate_to(&mut fresh, version)?;
    let expected = parts(&fresh)?;
    let list = |from: &BTreeSet<String>, without: &BTreeSet<String>| {
        from.difference(without).take(NAMED).cloned().collect::<Vec<_>>().join(", ")
    };
    let (strange, missing) = (list(&found, &expected), list(&expected, &found));
    Ok(match (strange.is_empty(), missing.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("it has what no database of version {version} has: {strange}")),
        (true, false) => Some(format!("it lacks what every database of version {version} has: {missing}")),
        (false, false) => {
            Some(format!("it is no database of version {version}: it has {strange}, and lacks {missing}"))
        }
    })
}
