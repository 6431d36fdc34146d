//! `hongyan key`: API keys, directly in the configured database, whether a gateway serves it or not.

use hongyan_clock::Clock;
use hongyan_gateway::Gateway;
use hongyan_gateway::keys::{Scope, create_key};
use hongyan_ledger::KeyId;
use hongyan_ledger::ids::IdMaker;
use hongyan_store::Store;
use hongyan_store::types::KeyRecord;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::cli::{KeyArgs, KeyCommand};
use crate::failure::Failure;
use crate::{output, settings};

/// Runs the command.
pub(crate) async fn run(args: KeyArgs) -> Result<(), Failure> {
    let (KeyCommand::Create { config, .. }
    | KeyCommand::List { config, .. }
    | KeyCommand::Revoke { config, .. }) = &args.command;
    let store = Gateway::open_store(&settings::load(config, None)?)?;
    let clock = Clock::system();
    let done = match &args.command {
        KeyCommand::Create { name, scopes, .. } => create(&*store, &clock, name, scopes).await,
        KeyCommand::List { json, .. } => list(&*store, *json).await,
        KeyCommand::Revoke { id, .. } => revoke(&*store, &clock, *id).await,
    };
    store.close().await;
    done
}

async fn create(store: &dyn Store, clock: &Clock, name: &str, scopes: &[Scope]) -> Result<(), Failure> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Failure::usage("--name must not be empty: it tells keys apart later"));
    }
    let (record, key) = create_key(store, &IdMaker::new(), clock, name, scopes).await?;
    output::line(key.expose_secret())?;
    output::remark(&format!(
        "{} ({name}) may use: {}. The key is not stored and not shown again. \
         Send it as: Authorization: Bearer hyk_…",
        record.id,
        record.scopes.join(", ")
    ));
    Ok(())
}

async fn list(store: &dyn Store, as_json: bool) -> Result<(), Failure> {
    let keys = store.keys().await?;
    if as_json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "id": key.id,
                    "name": key.name,
                    "scopes": key.scopes,
                    "created_at": key.created_at,
                    "revoked_at": key.revoked_at,
                })
            })
            .collect();
        return output::json(&json!({ "keys": keys }));
    }
    if keys.is_empty() {
        output::remark("there is no key; make one with: hongyan key create --name NAME");
        return Ok(());
    }
    let row = |key: &KeyRecord| {
        let state = key.revoked_at.map_or_else(|| "in use".to_owned(), |at| format!("revoked {at}"));
        vec![key.id.to_string(), key.name.clone(), key.scopes.join(","), key.created_at.to_string(), state]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    output::line(&output::table(&["ID", "NAME", "SCOPES", "CREATED", "STATE"], &rows))
}

async fn revoke(store: &dyn Store, clock: &Clock, id: KeyId) -> Result<(), Failure> {
    if store.revoke_key(id, clock.now()).await? {
        output::remark(&format!("{id} is revoked; a gateway that is running refuses it within 10 seconds"));
        Ok(())
    } else {
        Err(Failure::run(format!("there is no key {id} in use; see: hongyan key list")))
    }
}
