//! `hongyan key rotate-master`: changes the master key, with or without a running gateway.
//!
//! A gateway that has only the old key cannot decrypt values that are encrypted with the new key. So values are encrypted
//! again in two cases only: no gateway runs, and the lock keeps a gateway from starting until the end; or the running
//! gateway has declared that it has the new key.

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
use crate::text::say;
use crate::{database, lock, output};

/// Runs the command.
pub(super) async fn run(settings: &Settings, generate: bool, as_json: bool) -> Result<(), Failure> {
    let heirs = Heirs::of(settings)?;
    let opened = database::open(settings)?;
    let done = change(settings, &*opened.store, generate, as_json).await;
    opened.store.close().await;
    // Runs after a failure too: files may exist by then.
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
        return Err(Failure::configuration(say!("没有可以更换的主密钥", "there is no master key to change")));
    }
    // The lock is held until the end, so that no gateway starts in the middle.
    let lock = if lock::is_held(settings) { None } else { Some(lock::database(settings)?) };
    if generate {
        make(settings)?;
    }
    let (vault, _) = Vault::open(settings)?;
    let ids = vault.key_ids();
    if !vault.has_previous() {
        return Err(Failure::configuration(say!(
            "没有上一个主密钥：请把 master_key_previous 或 master_key_previous_file 设为旧密钥，把 master_key 或 master_key_file \
             设为新密钥；主密钥是自动生成的 master.key 时，请用 --generate",
            "there is no previous master key: set master_key_previous or master_key_previous_file to the old key, and master_key \
             or master_key_file to the new key; or, for a generated master.key, use --generate"
        )));
    }
    if lock.is_none() && !lock::keys_of_holder(settings).contains(&ids[0]) {
        return Err(Failure::run(say!(
            "正在使用这个数据库的网关没有新的主密钥（{}）：什么都没有重新加密。请让网关带着两个密钥重启，再执行 hongyan key rotate-master",
            "a gateway serves this database without the new master key ({}): nothing was encrypted again. Restart the gateway \
             with both keys, then run: hongyan key rotate-master",
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

/// Makes a new key file with the owner of the old key file.
fn make(settings: &Settings) -> Result<(), Failure> {
    let owner = Owner::of(&settings.data_dir.join(KEY_FILE));
    replace_key(settings, |draft| match owner {
        Some(owner) if files::is_root() => files::give(draft, owner),
        _ => Ok(()),
    })?;
    output::remark(say!(
        "新的主密钥是 {}；旧的主密钥现在是 {}。请另外保存一份新的主密钥",
        "The new master key is {}; the old master key is now {}. Keep a copy of the new master key",
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
        let done = say!(
            "{resealed} 项密文已用密钥 {id} 重新加密{kinds}",
            "{resealed} values are encrypted again, with the key {id}{kinds}"
        );
        output::line(done.shown())?;
    }
    if !rotated.unopened.is_empty() {
        let kinds: Vec<_> =
            rotated.unopened.iter().map(|(kind, count)| format!("{} {count}", kind.name())).collect();
        output::warn(say!(
            "两个密钥都解不开下列密文，它们保持不变：{}；登录和 access_token 会自行更新",
            "neither key decrypts these values, and they stay unchanged: {}; logins and access tokens are replaced by themselves",
            kinds.join(", ")
        ));
    }
    if !rotated.is_complete {
        return Err(Failure::run(say!(
            "仍有进程用上一个密钥加密：是不是有网关在运行而没有新密钥？请让它带着两个密钥重启，再执行一次这个命令",
            "a process still encrypts with the previous key: is a gateway running without the new key? Restart that gateway with \
             both keys, then run this command again"
        )));
    }
    let file = settings.data_dir.join(PREVIOUS_KEY_FILE);
    let what = if file.exists() {
        say!("移走 {}", "move {} away", absolute(&file).display())
    } else {
        say!("从配置里去掉 master_key_previous", "remove master_key_previous from the settings")
    };
    output::remark(say!(
        "上一个密钥已经没有用处：请{what}，并重启网关。更换之前的备份留多久，上一个密钥就留多久",
        "Nothing needs the previous key any more: {what}, and restart the gateway. Keep the previous key for as long as you keep \
         backups from before this change";
        what
    ));
    Ok(())
}

fn by_name(counts: &Counts) -> Value {
    counts.iter().map(|(kind, count)| (kind.name().to_owned(), Value::from(*count))).collect()
}
