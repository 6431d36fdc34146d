//! What is looked at before a gateway starts.

use hongyan_store::sqlite::{self, Depth, Looked};
use hongyan_store::{Store, StoreError};

use crate::config::Settings;
use crate::error::GatewayError;

/// Whether the store contains secrets that only their master key opens.
pub(crate) async fn holds_secrets(store: &dyn Store) -> Result<bool, StoreError> {
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
