//! `hongyan restore`: replaces the configured database with a backup.
//!
//! A backup is older than the latest events. Messages that were unsent in the backup may have been sent since, and would
//! be sent a second time. So a restore sets every message that was due by now to `unknown`: held and listed, for an
//! operator to decide. `--as-is` says that nothing was sent since. Messages for later stay scheduled.

use std::path::{Path, PathBuf};

use hongyan_clock::{Clock, UnixMillis};
use hongyan_gateway::Gateway;
use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::{KEY_FILE, Purpose, Vault};
use hongyan_store::StoreError;
use hongyan_store::sqlite::{self, PutBack};
use serde_json::json;

use crate::beside::{Draft, sync_directory, with_suffix};
use crate::cli::RestoreArgs;
use crate::failure::Failure;
use crate::files::{self, Heirs, Owner};
use crate::stoppable::stoppable;
use crate::text::{Text, say};
use crate::{lock, output, settings};

/// Runs the command.
pub(crate) async fn run(args: &RestoreArgs) -> Result<(), Failure> {
    let settings = settings::load(&args.config, None)?;
    let database = settings.sqlite_path()?;
    let now = Clock::system().now();
    let heirs = Heirs::of(&settings)?;
    let place = Place::of(&database)?;
    // The lock is held until the end, so that no gateway starts in the middle.
    let _lock = lock::database(&settings)?;
    if database.exists() && !args.force {
        return Err(Failure::run(say!(
            "{} 已有数据库；请用 --force 把它改名保留，再把备份放到它的位置",
            "there is a database at {} already; use --force to move it aside and put the backup in its place",
            database.display()
        )));
    }
    let put_back = PutBack {
        went_on_until: (!args.as_is).then_some(now),
        pause: args.hold.then(|| {
            format!(
                "restored at {now} from the backup {}: check the scheduled messages, cancel messages that must not be sent, then \
                 resume the app",
                args.file.display()
            )
        }),
        now,
    };
    let draft = Draft::beside(&database)?;
    let restored = {
        let (from, to) = (args.file.clone(), draft.path.clone());
        stoppable(move |watcher| {
            sqlite::put_back(&from, &to, &put_back, watcher).map_err(|error| cannot(&from, error))
        })
        .await?
    };
    let mode = place.prepare(&draft.path)?;
    let aside = move_aside(&database, now)?;
    draft.becomes(&database)?;
    let key = does_the_key_fit(&settings).await;
    heirs.inherit(&settings)?;
    if args.json {
        return output::json(&json!({
            "database": database,
            "bytes": restored.bytes,
            "moved_aside": aside,
            "owner": place.owner.map(|owner| owner.to_string()),
            "mode": mode.map(|mode| format!("{mode:04o}")),
            "messages": { "unknown": restored.unknown, "open": restored.open, "sending": restored.sending },
            "apps_paused": restored.paused,
            "master_key": { "fits": key.is_ok(), "problem": key.err().map(|problem| problem.en) },
        }));
    }
    output::line(say!("{}  {} 字节", "{}  {} bytes", database.display(), restored.bytes).shown())?;
    if let (Some(owner), Some(mode)) = (place.owner, mode) {
        output::remark(say!(
            "数据库属于 {owner}，权限为 {mode:04o}",
            "The database belongs to {owner} and has the mode {mode:04o}"
        ));
    }
    say_what_to_do(args, &restored, aside.as_deref());
    match key {
        Ok(()) => output::remark(say!(
            "配置的主密钥能解开其中的密文",
            "The configured master key decrypts its secrets"
        )),
        Err(problem) => output::warn(problem),
    }
    Ok(())
}

/// The owner and the mode that the restored database must have: those of the replaced file, or those that its directory
/// implies.
struct Place {
    owner: Option<Owner>,
    mode: Option<u32>,
}

impl Place {
    /// Looks at the database to be replaced.
    ///
    /// # Errors
    /// When the database belongs to another user and this process cannot change owners.
    fn of(database: &Path) -> Result<Self, Failure> {
        let before = Owner::of(database);
        if let Some(owner) = before
            && !owner.is_this_process()
            && !files::is_root()
        {
            return Err(Failure::configuration(say!(
                "数据库 {} 属于 {owner}，而本进程的用户是 {}：网关将打不开恢复出的数据库。请以属主执行：sudo -u {} hongyan restore …",
                "the database {} belongs to {owner}, and this process runs as {}: the gateway could not open the restored \
                 database. Run the command as the owner: sudo -u {} hongyan restore …",
                database.display(),
                files::this_process(),
                owner.for_sudo()
            )));
        }
        let owner = match before {
            None if files::is_root() => Owner::of_nearest(database),
            None => None,
            owner => owner,
        };
        Ok(Self { owner, mode: files::mode(database) })
    }

    /// Sets owner and mode of the new file before it replaces the old file; returns the mode.
    fn prepare(&self, draft: &Path) -> Result<Option<u32>, Failure> {
        if let Some(mode) = self.mode {
            files::set_mode(draft, mode).map_err(|error| {
                Failure::run(say!(
                    "不能设置 {} 的权限：{error}",
                    "cannot set the mode of {}: {error}",
                    draft.display()
                ))
            })?;
        }
        if files::is_root()
            && let Some(owner) = self.owner
        {
            files::give(draft, owner)?;
        }
        Ok(files::mode(draft))
    }
}

/// The error says that the backup is damaged: another restore from it does not help.
fn cannot(backup: &Path, error: StoreError) -> Failure {
    match error {
        StoreError::Corrupt(what) => Failure::configuration(say!(
            "备份 {} 已损坏：{what}。没有任何改动；请换一个备份",
            "the backup {} is damaged: {what}. Nothing was changed; take another backup",
            backup.display()
        )),
        error => error.into(),
    }
}

fn say_what_to_do(args: &RestoreArgs, restored: &sqlite::Restored, aside: Option<&Path>) {
    if let Some(aside) = aside {
        output::remark(say!("旧数据库现在是 {}", "The old database is now {}", aside.display()));
    }
    if restored.unknown > 0 {
        output::remark(say!(
            "{} 条消息在备份与现在之间到了时间。它们可能已经发出，所以变为 `unknown`，不再发送；\
             用 hongyan message list --state unknown 列出",
            "{} messages were due between the backup and now. They may have been sent since, so they are `unknown` and \
             are not sent again; list them with: hongyan message list --state unknown",
            restored.unknown
        ));
    }
    if restored.sending > 0 {
        output::remark(say!(
            "{} 条消息当时正在发送；网关下次启动时按崩溃处理",
            "{} messages were in flight; the next start of the gateway settles them as after a crash",
            restored.sending
        ));
    }
    if restored.open > 0 {
        let open = restored.open;
        output::remark(if args.as_is {
            say!("{open} 条消息还没有发送", "{open} messages are not sent yet")
        } else {
            say!("{open} 条消息到时间再发", "{open} messages are scheduled for later")
        });
    }
    if restored.paused > 0 {
        output::remark(say!(
            "{} 个小程序已暂停，一条也不发。请启动网关，查看定时消息，再逐个恢复：hongyan app resume APPID",
            "{} apps are paused, and nothing is sent. Start the gateway, check the scheduled messages, then resume each app: \
             hongyan app resume APPID",
            restored.paused
        ));
    }
}

/// Moves the database aside, with the files that SQLite keeps beside it; `None` if there is no database.
///
/// The main file is moved first. If the machine dies after that, a write-ahead log without its database is left, which
/// SQLite deletes. In the other order a database without its log would be left, which silently lacks the last messages. A
/// log without a database must also be moved: SQLite would apply it to the new database.
fn move_aside(database: &Path, now: UnixMillis) -> Result<Option<PathBuf>, Failure> {
    let stamp: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let aside = with_suffix(database, &format!(".before-restore-{stamp}"));
    let mut moved = None;
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(database, suffix), with_suffix(&aside, suffix));
        // An older version of Hongyan made the file readable by others.
        #[cfg(unix)]
        if from.exists() {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&from, mode).map_err(|error| {
                Failure::run(say!(
                    "不能修改 {} 的权限：{error}",
                    "cannot change the mode of {}: {error}",
                    from.display()
                ))
            })?;
        }
        match std::fs::rename(&from, &to) {
            Ok(()) if suffix.is_empty() => moved = Some(aside.clone()),
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::run(say!(
                    "不能把 {} 移到 {}：{error}",
                    "cannot move {} to {}: {error}",
                    from.display(),
                    to.display()
                )));
            }
        }
    }
    sync_directory(database).map_err(|error| Failure::cannot_write(database, &error))?;
    Ok(moved)
}

/// Whether the configured master key decrypts the secrets in the database. The restore stays if not: the right key may be
/// configured afterwards.
async fn does_the_key_fit(settings: &Settings) -> Result<(), Text> {
    if !Vault::has_key(settings) {
        return Err(say!(
            "没有 {}；启动网关之前，请把备份的主密钥放到那里",
            "there is no {}; put the backup's master key there before you start the gateway",
            settings.data_dir.join(KEY_FILE).display()
        ));
    }
    let (vault, _) = Vault::open(settings).map_err(|error| Text::from(&error))?;
    let store = Gateway::open_store(settings).map_err(|error| Text::from(&error))?;
    let apps = store.apps().await;
    store.close().await;
    for app in apps.map_err(|error| Text::from(&error))? {
        vault.open_sealed(Purpose::AppSecret, &app.appid, &app.settings.secret).map_err(|error| {
            say!(
                "配置的主密钥不是备份的主密钥：小程序 {} 的 AppSecret 解不开：{error}",
                "the configured master key is not the backup's: the AppSecret of {} cannot be decrypted: {error}",
                app.appid
            )
        })?;
    }
    Ok(())
}
