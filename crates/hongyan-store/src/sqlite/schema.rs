//! Checks that a file has the schema of its version, and nothing else.
//!
//! A file that is restored or put in place may come from an attacker. A trigger in it would run with every statement of
//! ours: a trigger that adds an API key when the health check writes would be enough. So the schema of the file is compared
//! with the schema that the migrations make, before anything of the file is used.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::migrations::{migrate_to, user_number};

/// The table in which the migrations are recorded. The migration library creates it, with its own statement and before the
/// first migration.
const HISTORY: &str = "refinery_schema_history";

/// Tables that SQLite creates by itself, with these statements: the counters of AUTOINCREMENT, and the results of `ANALYZE`.
const OF_SQLITE: [&str; 3] = [
    "CREATE TABLE sqlite_sequence(name,seq)",
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
];

/// How many unexpected objects are named, at most.
const NAMED: usize = 5;

/// A row of `sqlite_schema`. A name proves nothing: with `writable_schema` any object can have any name.
struct Object {
    kind: String,
    name: String,
    table: String,
    /// The statement that created it, with each run of white space as one space.
    sql: Option<String>,
}

impl Object {
    /// Whether SQLite or the migration library has created it, and not a statement of ours.
    fn is_not_ours(&self) -> bool {
        match (self.kind.as_str(), self.sql.as_deref()) {
            ("index", None) => self.name.starts_with("sqlite_autoindex_"),
            ("table", Some(sql)) => {
                OF_SQLITE.contains(&sql) || (self.name == HISTORY && sql.starts_with("CREATE TABLE "))
            }
            _ => false,
        }
    }
}

/// Every table, index, view and trigger, and every column: each in words, with the statement that created it.
fn parts(db: &Connection) -> rusqlite::Result<BTreeMap<String, Option<String>>> {
    let mut parts = BTreeMap::new();
    let mut objects = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let mut rows = objects.query([])?;
    while let Some(row) = rows.next()? {
        let sql: Option<String> = row.get(3)?;
        let sql = sql.map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" "));
        let object = Object { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql };
        if !object.is_not_ours() {
            parts.insert(format!("{} {} on {}", object.kind, object.name, object.table), object.sql);
        }
    }
    // The kind of a table matters: a virtual table runs code of its own. `hidden` tells generated columns.
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
        let column = format!("column {column} of the {kind} {table} ({of} {not_null} {key} {hidden})");
        parts.insert(column, None);
    }
    Ok(parts)
}

/// How a file of this version differs from what the migrations make; `None`: it does not differ. The statements are compared
/// as text, because every database of a version was made by the same migrations.
pub(super) fn difference(db: &Connection, version: i64) -> rusqlite::Result<Option<String>> {
    let found = parts(db)?;
    let mut fresh = Connection::open_in_memory()?;
    user_number(&fresh)?;
    migrate_to(&mut fresh, version)?;
    let expected = parts(&fresh)?;
    let without = |from: &BTreeMap<String, Option<String>>, other: &BTreeMap<String, Option<String>>| {
        let names = from.keys().filter(|&name| !other.contains_key(name)).take(NAMED);
        names.cloned().collect::<Vec<_>>().join(", ")
    };
    let (strange, missing) = (without(&found, &expected), without(&expected, &found));
    Ok(match (strange.is_empty(), missing.is_empty()) {
        (true, true) => {
            let other =
                found.iter().filter(|&(name, sql)| expected.get(name) != Some(sql)).map(|(name, _)| name);
            let other = other.take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            (!other.is_empty())
                .then(|| format!("it has in other words than every database of version {version}: {other}"))
        }
        (false, true) => Some(format!("it has what no database of version {version} has: {strange}")),
        (true, false) => Some(format!("it lacks what every database of version {version} has: {missing}")),
        (false, false) => {
            Some(format!("it is no database of version {version}: it has {strange}, and lacks {missing}"))
        }
    })
}
