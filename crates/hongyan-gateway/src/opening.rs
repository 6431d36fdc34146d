//! What is looked at before a gateway starts.

use std::sync::Arc;

use hongyan_store::sqlite::{self, Depth, Looked, SqliteConfig, SqliteStore};
use hongyan_store::{Store, StoreError};

use crate::config::{ConfigError, Settings};
use crate::error::GatewayError;
use crate::vault::{KeySource, Vault, create_private_dir};

/// Opens the store of the settings.
pub(crate) fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, GatewayError> {
    create_private_dir(&settings.data_dir).map_err(|error| GatewayError::DataDir {
        path: settings.data_dir.display().to_string(),
        why: error.to_string(),
    })?;
    let path = settings.sqlite_path()?;
    Ok(Arc::new(SqliteStore::open(SqliteConfig::new(path))?))
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
