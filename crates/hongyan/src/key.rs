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
use crate::text::{Text, say, word};
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
        return Err(Failure::usage(say!(
            "--name 不能是空的：以后要靠名字区分各个 key",
            "--name must not be empty: the name tells keys apart later"
        )));
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
        output::warn(say!(
            "{} 没有数据库，已新建一个。如果有网关在运行，它用的是另一个数据库，不认识这个 key：请用 --data-dir、--database 或 --config \
             指定网关的数据库",
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
    let apps = record.apps.as_ref();
    let apps = apps.map_or_else(|| say!("全部小程序", "all apps"), |apps| Text::same(list_of(apps)));
    let end = record.expires_at;
    let end = end.map_or_else(|| Text::same(""), |end| say!("，有效期至 {end}", " until {end}"));
    let (id, name, scopes, database) =
        (&record.id, &record.name, record.scopes.join(", "), opened.path.display());
    output::remark(say!(
        "{id}（{name}）的权限：{scopes}，用于{apps}{end}。它用于数据库 {database} 的网关。key 没有保存，以后不再显示。\
         使用时发送：Authorization: Bearer hyk_…",
        "{id} ({name}) may use: {scopes}, for {apps}{end}. It works for the gateway of the database {database}. The key is not \
         stored and not shown again. Send the key as: Authorization: Bearer hyk_…";
        apps, end
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
        output::remark(say!(
            "还没有 key；创建：hongyan key create --name NAME",
            "there is no key; make a key with: hongyan key create --name NAME"
        ));
        return Ok(());
    }
    let now = Clock::system().now();
    let row = |key: &KeyRecord| {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("{}{at}", word("已吊销 ", "revoked ")),
            (None, Some(end)) if end <= now => format!("{}{end}", word("已过期 ", "expired ")),
            (None, Some(end)) => format!("{}{end}", word("有效期至 ", "in use until ")),
            (None, None) => word("有效", "in use").to_owned(),
        };
        vec![
            key.id.to_string(),
            key.name.clone(),
            key.scopes.join(","),
            key.apps.as_deref().map_or_else(|| word("全部", "all").to_owned(), list_of),
            key.created_at.to_string(),
            key.last_used_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
            state,
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let head = [
        "ID",
        word("名称", "NAME"),
        word("权限", "SCOPES"),
        word("小程序", "APPS"),
        word("创建时间", "CREATED"),
        word("上次使用", "LAST USED"),
        word("状态", "STATE"),
    ];
    output::line(&output::table(&head, &rows))
}

async fn revoke(store: &dyn Store, clock: &Clock, id: KeyId) -> Result<(), Failure> {
    let revoked = by_command_line(store, clock, "key revoke", Some(id.to_string()), async {
        if store.revoke_key(id, clock.now()).await? {
            Ok((true, None))
        } else {
            Err(Failure::run(say!(
                "没有有效的 key {id}；见 hongyan key list",
                "no key {id} is in use; see: hongyan key list"
            )))
        }
    });
    if revoked.await? {
        output::remark(say!(
            "{id} 已吊销；运行中的网关会在 10 秒内拒绝这个 key",
            "{id} is revoked; a running gateway refuses the key within 10 seconds"
        ));
    }
    Ok(())
}
