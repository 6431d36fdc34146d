//! Opening a file: checks that it is ours and not too new, sets it up and brings it up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::row_error::RowError;
use super::{migrations, schema};
use crate::{Result, StoreError};

/// Marks a file as ours (SQLite's `application_id`): "hygn".
const APPLICATION_ID: i32 = 0x6879_676e;

/// How long a statement waits while another process (`hongyan key create`, a backup) holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// More than the number of different statements, so that each is prepared once per connection.
const STATEMENT_CACHE: usize = 200;

/// For the connection that writes. The log is copied into the file each 16 MB, by this connection itself until it has a
/// checkpointer, and truncated to 64 MB. `FULL` makes each commit an fsync, which is the promise that `202` gives.
const WRITER_SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = OFF;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
";

/// For the connections that read. Their cache has a size of its own.
const READER_SETTINGS: &str = "
    PRAGMA query_only = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
";

/// The newest schema that this program knows.
pub fn newest_schema() -> i64 {
    let newest = migrations::runner().get_migrations().iter().map(refinery::Migration::version).max();
    newest.map_or(0, i64::from)
}

/// The schema version of a database, and the version that this program brings it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The file's version.
    pub found: i64,
    /// The newest version that this program knows.
    pub newest: i64,
}

/// Reads the version of a database's schema. Changes nothing.
///
/// # Errors
/// When the file cannot be read, or is not a database of this program.
pub fn schema_of(path: &Path) -> Result<Schema> {
    check_owner(path)?;
    let failed = |why: rusqlite::Error| refused(path, why);
    let db = Connection::open_with_flags(path, read_only()).map_err(failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    Ok(Schema { found: pragma(&db, "user_version").map_err(failed)?, newest: newest_schema() })
}

/// Opens the connection that writes. The file is created if it does not exist. A file that is not ours, or is newer than
/// this program, is not changed.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    check_parent(path)?;
    check_owner(path)?;
    make_private(path).map_err(|error| trouble(path, &error.to_string()))?;
    let failed = |why: rusqlite::Error| refused(path, why);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // Mark the file first, so that it is known as ours even if its creation is interrupted.
    if pragma(&db, "application_id").map_err(failed)? == 0 {
        db.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    }
    db.execute_batch(WRITER_SETTINGS).map_err(failed)?;
    migrations::user_number(&db).map_err(failed)?;
    migrations::runner().run(&mut db).map_err(|why| trouble(path, &why.to_string()))?;
    defend(&db).map_err(failed)?;
    keep_plans(&db).map_err(failed)?;
    db.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(db)
}

/// Forbids the SQL statements that could corrupt the file.
fn defend(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map(|_| ())
}

/// Keeps the plan of a statement whatever its values are. Otherwise SQLite looks at the values to see whether an index of some
/// rows only holds the rows that are wanted, and so parses and plans the statement again whenever a value changes.
fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// Makes the files of a database readable for their owner alone, whatever the umask: they contain the messages to users in
/// the clear. SQLite gives the log the database's mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

        // Open only a file that does not exist, and so create it. Opening and closing an existing file would release the
        // locks of every connection that this process has to it (a rule of POSIX).
        match std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.as_os_str().to_owned();
            file.push(suffix);
            let file = Path::new(&file);
            let Ok(found) = std::fs::metadata(file) else { continue };
            if found.permissions().mode() & 0o077 != 0 {
                // Only the owner may change the mode. If the file belongs to another user, its owner has chosen the mode.
                match std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)) {
                    Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => return Err(error),
                    _ => {}
                }
            }
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Opens a connection that copies the log into the file in place of `writer`, which stops doing so.
pub(super) fn checkpointer(path: &Path, writer: &Connection) -> Result<Connection> {
    let failed = |why: rusqlite::Error| refused(path, why);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.execute_batch(WRITER_SETTINGS).map_err(failed)?;
    writer.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
    Ok(db)
}

/// The cache of a connection that reads for messages on their way, in KiB.
pub(super) const MACHINE_CACHE: i64 = 1024;

/// The cache of a connection that reads for people, in KiB. People ask seldom, and the pages that they ask for lie in the
/// system's cache.
pub(super) const PEOPLE_CACHE: i64 = 512;

/// Opens a connection that reads, with a cache of so many KiB; the writer's connection must be open before.
pub(super) fn reader(path: &Path, cache: i64) -> Result<Connection> {
    let failed = |why: rusqlite::Error| refused(path, why);
    let db = Connection::open_with_flags(path, read_only()).map_err(failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    db.execute_batch(READER_SETTINGS).map_err(failed)?;
    // A negative number is a size in KiB; a positive number would count pages.
    db.pragma_update(None, "cache_size", -cache).map_err(failed)?;
    keep_plans(&db).map_err(failed)?;
    db.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(db)
}

fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

pub(super) fn pragma(db: &Connection, name: &str) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, name, |row| row.get(0))
}

/// Tells damage apart from a file that cannot be opened: for damage, other permissions or more space do not help.
fn refused(path: &Path, why: rusqlite::Error) -> StoreError {
    match RowError::from(why).in_verb("open the database") {
        StoreError::Corrupt(what) => StoreError::Corrupt(format!("{}: {what}", path.display())),
        StoreError::Failed { why, .. } | StoreError::Full { why, .. } => trouble(path, &why),
        other => other,
    }
}

fn trouble(path: &Path, why: &str) -> StoreError {
    StoreError::Open {
        path: path.display().to_string(),
        why: format!("{why}; the file and its directory must be readable and writable, with space left"),
    }
}

fn check_parent(path: &Path) -> Result<()> {
    let refuse = |why: String| Err(StoreError::Open { path: path.display().to_string(), why });
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent
        && !parent.is_dir()
    {
        return refuse(format!("there is no directory {}; make it first", parent.display()));
    }
    if path.is_dir() {
        return refuse("it is a directory; name a file in it".into());
    }
    Ok(())
}

/// Checks a file without changing it.
pub(super) fn check_owner(path: &Path) -> Result<()> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(());
    }
    let foreign = |why: &str| StoreError::Open {
        path: path.display().to_string(),
        why: format!("{why}; it was not touched. Name another file"),
    };
    let looked = Connection::open_with_flags(path, read_only()).and_then(|db| {
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.execute_batch("PRAGMA trusted_schema = OFF")?;
        let (id, version) = (pragma(&db, "application_id")?, pragma(&db, "user_version")?);
        let is_ours = id == i64::from(APPLICATION_ID) && version <= newest_schema();
        let strange = if is_ours { schema::difference(&db, version)? } else { None };
        Ok((id, version, strange))
    });
    match looked {
        Ok((id, ..)) if id != i64::from(APPLICATION_ID) => {
            Err(foreign("the file is a database of another program"))
        }
        Ok((_, found, _)) if found > newest_schema() => {
            Err(StoreError::Newer { path: path.display().to_string(), found, known: newest_schema() })
        }
        Ok((.., Some(strange))) => {
            Err(foreign(&format!("it was changed by hand, or by somebody else: {strange}")))
        }
        Ok(_) => Ok(()),
        Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::NotADatabase => {
            Err(foreign("the file is not an SQLite database, or its first bytes are damaged"))
        }
        Err(why) => Err(refused(path, why)),
    }
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;
    use hongyan_ledger::WaitingOrder;

    use super::super::health;
    use super::*;

    #[test]
    fn a_database_of_the_first_version_keeps_its_rows_and_gets_the_defaults_of_later_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h.db");
        let mut first = Connection::open(&path).unwrap();
        first.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        migrations::runner().set_target(refinery::Target::Version(1)).run(&mut first).unwrap();
        first
            .execute_batch(
                "INSERT INTO apps (appid, name, secret, gateway_secret_hash, stable_token, on_unknown, payment_units, \
                 created_at, updated_at) VALUES ('wx0123456789abcdef', 'Tea house', x'00', zeroblob(32), 1, 0, 1, 5, 5); \
                 INSERT INTO gateway_tokens (hash, appid, created_at, expires_at) VALUES \
                 (zeroblob(32), 'wx0123456789abcdef', 5, 100)",
            )
            .unwrap();
        assert_eq!(pragma(&first, "user_version").unwrap(), 1);
        first.close().unwrap();
        let db = writer(&path).unwrap();
        assert_eq!(pragma(&db, "user_version").unwrap(), newest_schema());
        let app = super::super::apps::all(&db).unwrap().remove(0);
        assert_eq!(
            (app.settings.name.as_str(), app.settings.waiting_order),
            ("Tea house", WaitingOrder::OldestFirst)
        );
        let token = super::super::tokens::gateway_of(&db, &app.appid, UnixMillis(6), 9).unwrap().remove(0);
        assert_eq!((token.service, token.expires_at), (None, UnixMillis(100)));
        assert_ne!(token.id.as_bytes(), &[0; 16], "it has an id, so it can be revoked");
    }

    #[test]
    fn a_file_with_a_trigger_a_view_or_a_strange_column_is_refused_and_named() {
        for (change, name) in [
            (
                "CREATE TRIGGER evil AFTER UPDATE ON heartbeat BEGIN DELETE FROM apps; END",
                "trigger evil on heartbeat",
            ),
            ("CREATE VIEW evil AS SELECT 1", "view evil"),
            ("CREATE TABLE evil (one INTEGER)", "table evil"),
            ("CREATE INDEX evil ON api_keys (name)", "index evil on api_keys"),
            ("ALTER TABLE api_keys ADD COLUMN evil TEXT", "column evil of the table api_keys"),
            (
                "ALTER TABLE api_keys ADD COLUMN evil TEXT AS (upper(name))",
                "column evil of the table api_keys",
            ),
            ("DROP INDEX permits_of_code", "lacks"),
            ("DROP TABLE heartbeat; CREATE VIEW heartbeat AS SELECT 1 AS one, 1 AS beats", "view heartbeat"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("h.db");
            writer(&path).unwrap().close().unwrap();
            check_owner(&path).unwrap();
            Connection::open(&path).unwrap().execute_batch(change).unwrap();
            for refused in [
                check_owner(&path),
                writer(&path).map(|_| ()),
                health::look(&path, health::Depth::Pages, None).map(|_| ()),
            ] {
                let error = refused.unwrap_err().to_string();
                assert!(error.contains(name) && error.contains("not touched"), "{change}: {error}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_files_are_their_users_alone_also_those_of_an_older_version() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h.db");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let db = writer(&path).unwrap();
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap()).collect();
        assert!(files.len() > 1, "the log is there");
        for file in files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
        drop(db);
    }

    #[test]
    fn the_files_version_is_the_newest_migrations_number() {
        let dir = tempfile::tempdir().unwrap();
        let db = writer(&dir.path().join("h.db")).unwrap();
        assert_eq!(pragma(&db, "user_version").unwrap(), newest_schema());
        assert_eq!(pragma(&db, "application_id").unwrap(), i64::from(APPLICATION_ID));
    }
}
