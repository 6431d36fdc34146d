//! What is looked at before a gateway starts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hongyan_store::sqlite::{self, Depth, Looked, Schema, SqliteConfig, SqliteStore, Watcher};
use hongyan_store::{Store, StoreError};

use crate::config::{ConfigError, Settings};
use crate::error::GatewayError;
use crate::vault::{KeySource, Vault, create_private_dir};

/// Opens the store of the settings, and upgrades its schema.
pub(crate) fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, GatewayError> {
    create_private_dir(&settings.data_dir).map_err(|error| GatewayError::DataDir {
        path: settings.data_dir.display().to_string(),
        why: error.to_string(),
    })?;
    let path = settings.sqlite_path()?;
    let upgrade = announced_upgrade(settings, &path)?;
    let store = SqliteStore::open(SqliteConfig::new(path))?;
    if let Some(Schema { found, newest }) = upgrade {
        tracing::info!(from = found, to = newest, "the schema of the database was upgraded");
    }
    Ok(Arc::new(store))
}

/// The upgrade that opening the database is about to make. The database is copied before, if the settings say so.
fn announced_upgrade(settings: &Settings, path: &Path) -> Result<Option<Schema>, GatewayError> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(None);
    }
    let schema = sqlite::schema_of(path)?;
    // A file without a schema is a database whose making was interrupted.
    if schema.found == 0 || schema.found >= schema.newest {
        return Ok(None);
    }
    let Schema { found, newest } = schema;
    tracing::warn!(
        from = found,
        to = newest,
        "the schema of the database is upgraded now; an older version of the program cannot open the database afterwards"
    );
    if settings.copy_before_upgrade {
        let copy = copy_before_upgrade(path);
        copied(path, &copy).map_err(|why| GatewayError::Copy { path: copy.display().to_string(), why })?;
        tracing::info!(path = %copy.display(), schema = found, "the database was copied before the upgrade");
    }
    Ok(Some(schema))
}

/// The copy that an upgrade to the newest schema makes of this database first.
pub(crate) fn copy_before_upgrade(database: &Path) -> PathBuf {
    let mut copy = database.as_os_str().to_owned();
    copy.push(format!(".before-schema-{}", sqlite::newest_schema()));
    PathBuf::from(copy)
}

/// Copies a database. The copy has its name only when it is complete; it replaces the copy of an upgrade that failed.
fn copied(path: &Path, copy: &Path) -> Result<(), String> {
    let mut part = copy.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let remove = || match std::fs::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    };
    remove()?;
    let watcher: Watcher = Arc::new(|_| true);
    let done = sqlite::copy(path, &part, &watcher).map_err(|error| error.to_string());
    let done = done.and_then(|_| std::fs::rename(&part, copy).map_err(|error| error.to_string()));
    if done.is_err() {
        remove()?;
    }
    done
}

/// Opens the vault. A new key is made only if the store holds no secret.
pub(crate) async fn open_vault(store: &dyn Store, settings: &Settings) -> Result<Arc<Vault>, GatewayError> {
    if !Vault::has_key(settings) && holds_secrets(store).await? {
        return Err(ConfigError::no_master_key(settings).into());
    }
    let (vault, source) = Vault::open(settings)?;
    if let KeySource::Generated(path) = &source {
        tracing::warn!(
            path = %path.display(),
            "no master_key is configured: a new key was written; keep a copy of the key: without \
             the key the stored secrets are lost"
        );
    }
    Ok(Arc::new(vault))
}

/// Whether the store contains secrets that only their master key opens.
async fn holds_secrets(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(!store.apps().await?.is_empty()
        || !store.webhooks().await?.is_empty()
        || store.people().await?.iter().any(|person| person.totp.is_some()))
}

/// Checks the database for damage as far as the time of a start allows, so that a user does not find the damage first.
pub(crate) fn look_at_the_database(settings: &Settings) -> Result<(), GatewayError> {
    let path = settings.sqlite_path()?;
    let is_new = std::fs::metadata(&path).map_or(0, |file| file.len()) == 0;
    if !is_new && sqlite::look(&path, Depth::AtMost(sqlite::AT_A_START), None)? == Looked::InPart {
        tracing::info!(
            "the database is large: only a part of it was checked; `hongyan check` checks all of it"
        );
    }
    Ok(())
}
