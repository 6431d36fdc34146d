//! `hongyan key rotate-master`: changes the master key, whether a gateway serves the database or not.
//!
//! A gateway that has the old key alone cannot open what is sealed with the new one. So nothing is sealed anew unless no
//! gateway runs, which is then kept from starting until the end, or the one that runs has said that it has the new key.

use hongyan_clock::Clock;
use hongyan_gateway::audit::by_command_line;
use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::rotation::{self, Counts, Rotated};
use hongyan_gateway::vault::{KEY_FILE, PREVIOUS_KEY_FILE, Vault, replace_key};
use hongyan_store::Store;
use serde_json::{Value, json};

use crate::database::absolute;
use crate::failure::Failure;
use crate::files::{self, Heirs, Owner};
use crate::{database, lock, output};

/// Runs the command.
pub(super) async fn run(settings: &Settings, generate: bool, as_json: bool) -> Result<(), Failure> {
    let heirs = Heirs::of(settings)?;
    let opened = database::open(settings)?;
    let done = change(settings, &*opened.store, generate, as_json).await;
    opened.store.close().await;
    // Also after a failure: what was made by then is there.
    heirs.inherit(settings)?;
    done
}

async fn change(
    settings: &Settings,
    store: &dyn Store,
    generate: bool,
    as_json: bool,
) -> Result<(), Failure> {
    if !Vault::has_key(settings) {
        return Err(Failure::configuration("there is no master key that could be changed"));
    }
    // Held until the end, so that no gateway starts in the middle.
    let lock = if lock::is_held(settings) { None } else { Some(lock::database(settings)?) };
    if generate {
        make(settings)?;
    }
    let (vault, _) = Vault::open(settings)?;
    let ids = vault.key_ids();
    if !vault.has_previous() {
        return Err(Failure::configuration(
            "there is no previous master key: set master_key_previous or master_key_previous_file to the one that the \
             database was sealed with, and master_key or master_key_file to the new one; or, for a generated master.key, \
             say --generate",
        ));
    }
    if lock.is_none() && !lock::keys_of_holder(settings).contains(&ids[0]) {
        return Err(Failure::run(format!(
            "a gateway serves this database, and it has not said that it has the new master key ({}): nothing was sealed \
             with it. Restart the gateway with both keys, then run: hongyan key rotate-master",
            ids[0]
        )));
    }
    let rotated =
        by_command_line(store, &Clock::system(), "key rotate-master", Some(ids[0].clone()), async {
            let rotated = rotation::rotate(store, &vault).await?;
            Ok::<_, Failure>((rotated, None))
        })
        .await?;
    tell(settings, &ids[0], &rotated, as_json)
}

/// Makes a new key, which belongs to whoever the old one belongs to.
fn make(settings: &Settings) -> Result<(), Failure> {
    let owner = Owner::of(&settings.data_dir.join(KEY_FILE));
    replace_key(settings, |draft| match owner {
        Some(owner) if files::is_root() => files::give(draft, owner),
        _ => Ok(()),
    })?;
    output::remark(&format!(
        "There is a new key at {}; the one before is now {}. Keep a copy of the new one",
        absolute(&settings.data_dir.join(KEY_FILE)).display(),
        absolute(&settings.data_dir.join(PREVIOUS_KEY_FILE)).display()
    ));
    Ok(())
}

fn tell(settings: &Settings, id: &str, rotated: &Rotated, as_json: bool) -> Result<(), Failure> {
    let resealed: u64 = rotated.resealed.values().sum();
    if as_json {
        output::json(&json!({
            "key": id,
            "resealed": by_name(&rotated.resealed),
            "unopened": by_name(&rotated.unopened),
            "complete": rotated.is_complete,
        }))?;
    } else {
        let kinds: Vec<_> =
            rotated.resealed.iter().map(|(kind, count)| format!("{} {count}", kind.name())).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
        output::line(&format!("{resealed} values are sealed anew, with the key {id}{kinds}"))?;
    }
    if !rotated.unopened.is_empty() {
        let kinds: Vec<_> =
            rotated.unopened.iter().map(|(kind, count)| format!("{} {count}", kind.name())).collect();
        output::warn(&format!(
            "these open with neither key, and stay as they are: {}; logins and access tokens are replaced by themselves",
            kinds.join(", ")
        ));
    }
    if !rotated.is_complete {
        return Err(Failure::run(
            "something still seals with the previous key: is a gateway running that does not have the new one? Restart \
             it with both keys, then run this once more",
        ));
    }
    let file = settings.data_dir.join(PREVIOUS_KEY_FILE);
    let what = if file.exists() {
        format!("move {} away", absolute(&file).display())
    } else {
        "take master_key_previous out of the settings".to_owned()
    };
    output::remark(&format!(
        "Nothing needs the previous key any more: {what}, and restart the gateway. Keep that key for as long as there are \
         backups of before"
    ));
    Ok(())
}

fn by_name(counts: &Counts) -> Value {
    counts.iter().map(|(kind, count)| (kind.name().to_owned(), Value::from(*count))).collect()
}
