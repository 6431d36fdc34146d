//! One process serves a database at a time.
//!
//! A second process would take the first process's messages in flight for messages of a dead process, and settle them as
//! unanswered. The operating system keeps the lock: the lock ends with the process, even after a crash, so nothing needs
//! cleaning up.

use std::fs::{File, OpenOptions, TryLockError};

use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::create_private_dir;

use crate::beside::with_suffix;
use crate::failure::Failure;
use crate::files;
use crate::text::say;

/// Locks the database for this process until the returned file is dropped.
///
/// # Errors
/// When another process holds the lock, or when the directory is not writable.
pub(crate) fn database(settings: &Settings) -> Result<File, Failure> {
    let database = settings.sqlite_path()?;
    // The real path: a link is another name of the same database. A missing database has only the given name.
    let database = std::fs::canonicalize(&database).unwrap_or(database);
    let path = with_suffix(&database, ".lock");
    if let Some(parent) = path.parent()
        && parent == settings.data_dir
    {
        create_private_dir(parent).map_err(|error| unusable(&path, &error))?;
    }
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(
            |error| match error.kind() {
                std::io::ErrorKind::PermissionDenied => files::unusable(&path, &error),
                _ => unusable(&path, &error),
            },
        )?;
    match file.try_lock() {
        Ok(()) => {
            // The content is from the last holder and does not apply to this process.
            file.set_len(0).map_err(|error| unusable(&path, &error))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(Failure::run(say!(
            "另一个 hongyan 进程正在使用数据库 {}；请先停止它，或设置另一个 data_dir",
            "another hongyan process serves the database {}; stop it first, or set another data_dir",
            database.display()
        ))),
        // Some network file systems have no locks; SQLite is not safe there either.
        Err(TryLockError::Error(error)) => Err(unusable(&path, &error)),
    }
}

/// Writes down which master keys this process has, for [`keys_of_holder`]. The ids of the keys reveal nothing about the
/// keys.
///
/// # Errors
/// When the lock file cannot be written.
pub(crate) fn say_keys(mut lock: &File, ids: &[String]) -> Result<(), Failure> {
    use std::io::Write;

    lock.write_all(format!("master keys {}\n", ids.join(" ")).as_bytes()).map_err(|error| {
        Failure::configuration(say!(
            "不能写入数据库的锁文件：{error}",
            "cannot write the lock of the database: {error}"
        ))
    })
}

/// The ids of the master keys of the process that serves the database; empty if the process has not written them.
pub(crate) fn keys_of_holder(settings: &Settings) -> Vec<String> {
    let Ok(database) = settings.sqlite_path() else { return Vec::new() };
    let database = std::fs::canonicalize(&database).unwrap_or(database);
    let text = std::fs::read_to_string(with_suffix(&database, ".lock")).unwrap_or_default();
    let ids = text.strip_suffix('\n').and_then(|text| text.strip_prefix("master keys "));
    ids.map(|ids| ids.split(' ').map(str::to_owned).collect()).unwrap_or_default()
}

/// Whether a process holds the lock. Neither takes the lock nor makes a file.
pub(crate) fn is_held(settings: &Settings) -> bool {
    let Ok(database) = settings.sqlite_path() else { return false };
    let database = std::fs::canonicalize(&database).unwrap_or(database);
    let lock = File::open(with_suffix(&database, ".lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn unusable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::configuration(say!(
        "{} 不可用：{error}；它的目录应在本地磁盘上，并且当前用户可写",
        "cannot use {}: {error}; its directory must be on a local disk and writable by this user",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_served_by_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let settings = Settings {
            database: Some(format!("sqlite:{}", data_dir.join("h.db").display())),
            data_dir,
            ..Settings::default()
        };
        assert!(!is_held(&settings));
        let first = database(&settings).unwrap();
        assert!(is_held(&settings));
        assert!(database(&settings).unwrap_err().to_string().contains("another hongyan process"));
        assert!(keys_of_holder(&settings).is_empty());
        let ids = ["0a0b0c0d".to_owned(), "01020304".to_owned()];
        say_keys(&first, &ids).unwrap();
        assert_eq!(keys_of_holder(&settings), ids);
        drop(first);
        assert!(!is_held(&settings));
        let _second = database(&settings).unwrap();
        assert!(keys_of_holder(&settings).is_empty(), "the next holder has not written its keys");
    }
}
