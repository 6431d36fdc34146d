//! When the last backup was made.
//!
//! `hongyan backup` is a process of its own and only reads the database. It leaves an empty file beside the database; the
//! file's time of modification is the time of the backup. So the time is noted also while the gateway is stopped, and the
//! gateway can read it from a file that belongs to root.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hongyan_clock::UnixMillis;

/// The ending of the file's name.
const SUFFIX: &str = ".last-backup";

/// The file whose time of modification is the time of the last backup of this database.
pub fn backup_mark(database: &Path) -> PathBuf {
    // The real path: a link is another name of the same database.
    let mut name = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(SUFFIX);
    name.into()
}

/// When the last backup of this database was made; `None`: this is not known.
pub(crate) fn last_backup(database: &Path) -> Option<UnixMillis> {
    let at = fs::metadata(backup_mark(database)).ok()?.modified().ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_time_is_that_of_the_file_beside_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("hongyan.db");
        fs::write(&database, "").unwrap();
        assert_eq!(last_backup(&database), None);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        fs::File::create(dir.path().join("hongyan.db.last-backup")).unwrap().set_modified(at).unwrap();
        assert_eq!(last_backup(&database), Some(UnixMillis(1_790_000_000_000)));
        #[cfg(unix)]
        {
            let link = dir.path().join("link.db");
            std::os::unix::fs::symlink(&database, &link).unwrap();
            assert_eq!(last_backup(&link), Some(UnixMillis(1_790_000_000_000)));
        }
    }
}
