//! Opening the configured database, for commands that work on it directly.

use std::path::{Path, PathBuf};

use hongyan_gateway::Gateway;
use hongyan_gateway::config::Settings;
use hongyan_store::Store;
use std::sync::Arc;

use crate::failure::Failure;
use crate::files::{self, Heirs};
use crate::text::say;

/// A database and its path.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// The absolute path: a relative path depends on the current directory.
    pub(crate) path: PathBuf,
    /// Whether this process made the database.
    pub(crate) is_new: bool,
}

/// Opens the database, or makes a new one.
///
/// # Errors
/// When this user cannot use the database or its directory.
pub(crate) fn open_or_make(settings: &Settings) -> Result<Opened, Failure> {
    let database = settings.sqlite_path()?;
    let heirs = Heirs::of(settings)?;
    files::check_usable(settings)?;
    let is_new = !database.exists();
    let store = Gateway::open_store(settings);
    // Runs after a failure too: files may exist by then.
    heirs.inherit(settings)?;
    Ok(Opened { store: store?, path: absolute(&database), is_new })
}

/// Opens the database for a command that only reads. A missing database is an error.
///
/// # Errors
/// When there is no database, or this user cannot use it.
pub(crate) fn open(settings: &Settings) -> Result<Opened, Failure> {
    let database = settings.sqlite_path()?;
    if !database.exists() {
        return Err(Failure::configuration(say!(
            "{} 没有数据库；请用 --data-dir、--database 或 --config 指定网关使用的数据库",
            "there is no database at {}; name the one that the gateway serves with --data-dir, --database or --config",
            absolute(&database).display()
        )));
    }
    open_or_make(settings)
}

/// The absolute form of a path.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
