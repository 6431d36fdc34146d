//! Opening the configured database, for commands that work on it directly.

use std::path::{Path, PathBuf};

use hongyan_gateway::Gateway;
use hongyan_gateway::config::Settings;
use hongyan_store::Store;
use std::sync::Arc;

use crate::failure::Failure;
use crate::files::{self, Heirs};

/// A database, and where it is.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// From the root on: a relative path depends on where somebody stands.
    pub(crate) path: PathBuf,
    /// It was not there before.
    pub(crate) is_new: bool,
}

/// Opens the database, or makes it.
///
/// # Errors
/// When it, or its directory, cannot be used by this user.
pub(crate) fn open_or_make(settings: &Settings) -> Result<Opened, Failure> {
    let database = settings.sqlite_path()?;
    let heirs = Heirs::of(settings)?;
    files::check_usable(settings)?;
    let is_new = !database.exists();
    let store = Gateway::open_store(settings)?;
    heirs.inherit(settings)?;
    Ok(Opened { store, path: absolute(&database), is_new })
}

/// Opens the database, for a command that only looks: one that is not there is not made.
///
/// # Errors
/// When it is not there, or this user cannot use it.
pub(crate) fn open(settings: &Settings) -> Result<Opened, Failure> {
    let database = settings.sqlite_path()?;
    if !database.exists() {
        return Err(Failure::configuration(format!(
            "there is no database at {}; name the one that the gateway serves with --data-dir, --database or --config",
            absolute(&database).display()
        )));
    }
    open_or_make(settings)
}

/// A path as it is known everywhere.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
