//! `hongyan restore`: puts a backup at the place of the configured database.
//!
//! A backup is older than what happened. Messages that were still to be sent in it may have gone out since, and would
//! go out a second time. So unless it is told that nothing happened since (`--as-is`), a restore makes `unknown` of
//! every message that was due by now: held, listed, for an operator to judge. Messages for later stay scheduled.

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
use crate::{lock, output, settings};

/// Runs the command.
pub(crate) async fn run(args: &RestoreArgs) -> Result<(), Failure> {
    let settings = settings::load(&args.config, None)?;
    let database = settings.sqlite_path()?;
    let now = Clock::system().now();
    let heirs = Heirs::of(&settings)?;
    let place = Place::of(&database)?;
    // Held until the end, so that no gateway starts in the middle.
    let _lock = lock::database(&settings)?;
    if database.exists() && !args.force {
        return Err(Failure::run(format!(
            "there is a database at {} already; say --force to move it aside and put the backup in its place",
            database.display()
        )));
    }
    let put_back = PutBack {
        went_on_until: (!args.as_is).then_some(now),
        pause: args.hold.then(|| {
            format!(
                "restored at {now} from the backup {}: look at what is scheduled, cancel what must not go out, then \
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
            "master_key": { "fits": key.is_ok(), "problem": key.err() },
        }));
    }
    output::line(&format!("{}  {} bytes", database.display(), restored.bytes))?;
    if let (Some(owner), Some(mode)) = (place.owner, mode) {
        output::remark(&format!("It belongs to {owner} and has the mode {mode:04o}"));
    }
    say_what_to_do(args, &restored, aside.as_deref());
    match key {
        Ok(()) => output::remark("The master key that is configured opens its secrets"),
        Err(problem) => output::warn(&problem),
    }
    Ok(())
}

/// Whose the restored database must be, and who may read it: as the file that it replaces, or as its directory wants it.
struct Place {
    owner: Option<Owner>,
    mode: Option<u32>,
}

impl Place {
    /// Looks at what is to be replaced.
    ///
    /// # Errors
    /// When it is another user's, and this process cannot give that user the new one.
    fn of(database: &Path) -> Result<Self, Failure> {
        let before = Owner::of(database);
        if let Some(owner) = before
            && !owner.is_this_process()
            && !files::is_root()
        {
            return Err(Failure::configuration(format!(
                "the database {} belongs to {owner}, and this process runs as {}: the gateway could not open what it \
                 restores. Run it as the owner: sudo -u {} hongyan restore …",
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

    /// Makes the new file so, before it takes the place of the old one; its mode then.
    fn prepare(&self, draft: &Path) -> Result<Option<u32>, Failure> {
        if let Some(mode) = self.mode {
            files::set_mode(draft, mode).map_err(|error| {
                Failure::run(format!("cannot set the mode of {}: {error}", draft.display()))
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

/// What is damaged is the backup, and restoring it again does not help.
fn cannot(backup: &Path, error: StoreError) -> Failure {
    match error {
        StoreError::Corrupt(what) => Failure::configuration(format!(
            "the backup {} is damaged: {what}. Nothing was changed; take another backup",
            backup.display()
        )),
        error => error.into(),
    }
}

fn say_what_to_do(args: &RestoreArgs, restored: &sqlite::Restored, aside: Option<&Path>) {
    if let Some(aside) = aside {
        output::remark(&format!("The database that was there is now {}", aside.display()));
    }
    if restored.unknown > 0 {
        output::remark(&format!(
            "{} messages were due between the backup and now. They may have been sent since, so they are `unknown` and \
             are not sent again; list them with GET /v1/messages?state=unknown",
            restored.unknown
        ));
    }
    if restored.sending > 0 {
        output::remark(&format!(
            "{} messages were in flight; the next start treats them as after a crash",
            restored.sending
        ));
    }
    if restored.open > 0 {
        let when = if args.as_is { "are still to be sent" } else { "are scheduled for later" };
        output::remark(&format!("{} messages {when}", restored.open));
    }
    if restored.paused > 0 {
        output::remark(&format!(
            "{} apps are paused, and nothing is sent. When the gateway runs and you have looked at what is scheduled, \
             resume each: hongyan app resume APPID",
            restored.paused
        ));
    }
}

/// Moves the database out of the way, with the files that SQLite keeps beside it; `None` if there is none.
///
/// The main file first. If the machine dies after that, a log without its database is left, which SQLite throws away;
/// the other way round a database without its log would be left, which lacks the last messages and does not say so.
/// Also without a database a log must go: SQLite would take it for the new one's.
fn move_aside(database: &Path, now: UnixMillis) -> Result<Option<PathBuf>, Failure> {
    let stamp: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let aside = with_suffix(database, &format!(".before-restore-{stamp}"));
    let mut moved = None;
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(database, suffix), with_suffix(&aside, suffix));
        // An older version made it readable by others.
        #[cfg(unix)]
        if from.exists() {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&from, mode).map_err(|error| {
                Failure::run(format!("cannot change the mode of {}: {error}", from.display()))
            })?;
        }
        match std::fs::rename(&from, &to) {
            Ok(()) if suffix.is_empty() => moved = Some(aside.clone()),
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::run(format!(
                    "cannot move {} to {}: {error}",
                    from.display(),
                    to.display()
                )));
            }
        }
    }
    sync_directory(database)
        .map_err(|error| Failure::run(format!("cannot write {}: {error}", database.display())))?;
    Ok(moved)
}

/// Whether the master key that is configured here opens the secrets in the database. Nothing is undone if not: the key
/// may be put there afterwards.
async fn does_the_key_fit(settings: &Settings) -> Result<(), String> {
    if !Vault::has_key(settings) {
        return Err(format!(
            "there is no {}; put the master key of the backup there before the gateway is started",
            settings.data_dir.join(KEY_FILE).display()
        ));
    }
    let (vault, _) = Vault::open(settings).map_err(|error| error.to_string())?;
    let store = Gateway::open_store(settings).map_err(|error| error.to_string())?;
    let apps = store.apps().await;
    store.close().await;
    for app in apps.map_err(|error| error.to_string())? {
        vault.open_sealed(Purpose::AppSecret, &app.appid, &app.settings.secret).map_err(|error| {
            format!(
                "the master key here is not the backup's: the AppSecret of {} does not open: {error}",
                app.appid
            )
        })?;
    }
    Ok(())
}
