//! `hongyan key`: changes API keys directly in the configured database, with or without a running gateway.

use hongyan_clock::Clock;
use hongyan_gateway::audit::by_command_line;
use hongyan_gateway::keys::{NewKey, create_key};
use hongyan_ledger::KeyId;
use hongyan_ledger::ids::IdMaker;
use hongyan_store::Store;
use hongyan_store::types::{Actor, KeyRecord};
use hongyan_wechat::AppId;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::cli::{KeyArgs, KeyCommand};
use crate::database::Opened;
use crate::failure::Failure;
use crate::{database, output, settings};

mod rotate;

/// Runs the command.
pub(crate) async fn run(args: KeyArgs) -> Result<(), Failure> {
    let (KeyCommand::Create { config, .. }
    | KeyCommand::List { config, .. }
    | KeyCommand::Revoke { config, .. }
    | KeyCommand::RotateMaster { config, .. }) = &args.command;
    let settings = settings::load(config, None)?;
    if let KeyCommand::RotateMaster { generate, json, .. } = args.command {
        return rotate::run(&settings, generate, json).await;
    }
    if let KeyCommand::Create { name, .. } = &args.command
        && name.trim().is_empty()
    {
        return Err(Failure::usage("--name must not be empty: the name tells keys apart later"));
    }
    let opened = match &args.command {
        KeyCommand::Create { .. } => database::open_or_make(&settings)?,
        KeyCommand::List { .. } | KeyCommand::Revoke { .. } | KeyCommand::RotateMaster { .. } => {
            database::open(&settings)?
        }
    };
    let clock = Clock::system();
    let done = match &args.command {
        KeyCommand::Create { name, scopes, apps, expires, .. } => {
            let new = NewKey {
                name: name.trim().to_owned(),
                scopes: scopes.clone(),
                apps: (!apps.is_empty()).then(|| apps.clone()),
                expires_at: expires.map(|lifetime| clock.now().plus(lifetime)),
                created_by: Actor::COMMAND_LINE,
            };
            create(&opened, &clock, new).await
        }
        KeyCommand::List { json, .. } => list(&*opened.store, *json).await,
        KeyCommand::Revoke { id, .. } => revoke(&*opened.store, &clock, *id).await,
        KeyCommand::RotateMaster { .. } => Ok(()),
    };
    opened.store.close().await;
    done
}

async fn create(opened: &Opened, clock: &Clock, new: NewKey) -> Result<(), Failure> {
    if opened.is_new {
        output::warn(&format!(
            "there was no database at {}, so a new database was made. If a gateway is running, it serves another database and \
             does not know this key: name the gateway's database with --data-dir, --database or --config",
            opened.path.display()
        ));
    }
    let store = &*opened.store;
    let (record, key) = by_command_line(store, clock, "key create", None, async {
        let made = create_key(store, &IdMaker::new(), clock, new).await?;
        let id = made.0.id.to_string();
        Ok::<_, Failure>((made, Some(id)))
    })
    .await?;
    output::line(key.expose_secret())?;
    let apps = record.apps.as_ref().map_or_else(|| "all apps".to_owned(), |apps| list_of(apps));
    let end = record.expires_at.map_or_else(String::new, |end| format!(" until {end}"));
    output::remark(&format!(
        "{} ({}) may use: {}, for {apps}{end}. It works for the gateway of the database {}. The key is not stored and not \
         shown again. Send the key as: Authorization: Bearer hyk_…",
        record.id,
        record.name,
        record.scopes.join(", "),
        opened.path.display()
    ));
    Ok(())
}

fn list_of(apps: &[AppId]) -> String {
    apps.iter().map(AppId::as_str).collect::<Vec<_>>().join(",")
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
                    "apps": key.apps,
                    "created_at": key.created_at,
                    "created_by": key.created_by.as_ref().map(|by| {
                        json!({ "kind": by.kind.name(), "id": by.id, "name": by.name })
                    }),
                    "expires_at": key.expires_at,
                    "last_used_at": key.last_used_at,
                    "revoked_at": key.revoked_at,
                })
            })
            .collect();
        return output::json(&json!({ "keys": keys }));
    }
    if keys.is_empty() {
        output::remark("there is no key; make a key with: hongyan key create --name NAME");
        return Ok(());
    }
    let now = Clock::system().now();
    let row = |key: &KeyRecord| {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(end)) if end <= now => format!("expired {end}"),
            (None, Some(end)) => format!("in use until {end}"),
            (None, None) => "in use".to_owned(),
        };
        vec![
            key.id.to_string(),
            key.name.clone(),
            key.scopes.join(","),
            key.apps.as_deref().map_or_else(|| "all".to_owned(), list_of),
            key.created_at.to_string(),
            key.last_used_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
            state,
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    output::line(&output::table(&["ID", "NAME", "SCOPES", "APPS", "CREATED", "LAST USED", "STATE"], &rows))
}

async fn revoke(store: &dyn Store, clock: &Clock, id: KeyId) -> Result<(), Failure> {
    let revoked = by_command_line(store, clock, "key revoke", Some(id.to_string()), async {
        if store.revoke_key(id, clock.now()).await? {
            Ok((true, None))
        } else {
            Err(Failure::run(format!("no key {id} is in use; see: hongyan key list")))
        }
    });
    if revoked.await? {
        output::remark(&format!("{id} is revoked; a running gateway refuses the key within 10 seconds"));
    }
    Ok(())
}
