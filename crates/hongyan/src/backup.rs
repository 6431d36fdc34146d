//! `hongyan backup`: a copy of the configured database, made while the gateway runs.

use std::fs::File;
use std::path::Path;
use std::time::{Instant, SystemTime};

use hongyan_gateway::config::Settings;
use hongyan_gateway::report::backup_mark;
use hongyan_gateway::vault::KEY_FILE;
use hongyan_store::sqlite;
use serde_json::json;

use crate::beside::Draft;
use crate::cli::BackupArgs;
use crate::failure::Failure;
use crate::files::{self, Owner};
use crate::stoppable::stoppable;
use crate::text::{Text, say};
use crate::{output, settings};

/// Runs the command.
pub(crate) async fn run(args: &BackupArgs) -> Result<(), Failure> {
    let settings = settings::load(&args.config, None)?;
    let database = settings.sqlite_path()?;
    if args.file.exists() && !args.force {
        return Err(Failure::run(say!(
            "{} 已经存在；请换一个文件，或用 --force 替换它",
            "{} exists already; name another file, or use --force to replace it",
            args.file.display()
        )));
    }
    let (began, at) = (Instant::now(), SystemTime::now());
    let to = Draft::beside(&args.file)?;
    let copied = {
        let (from, to) = (database.clone(), to.path.clone());
        stoppable(move |watcher| sqlite::copy(&from, &to, watcher)).await?
    };
    to.becomes(&args.file)?;
    if let Err(failure) = note_time(&database, at) {
        let why = failure.into_text();
        output::warn(say!(
            "备份已完成，但没有记下备份的时间：{why}",
            "the backup is made, but its time was not noted: {why}";
            why
        ));
    }
    let key = where_the_key_is(&settings);
    if args.json {
        return output::json(&json!({
            "file": args.file,
            "bytes": copied.bytes,
            "schema_version": copied.schema,
            "seconds": began.elapsed().as_secs_f64(),
            "master_key": { "included": false, "at": key.en },
        }));
    }
    let done = say!(
        "{}  {} 字节，来自 {}，已逐页检查，用时 {:.1} 秒",
        "{}  {} bytes of {}, checked, in {:.1} s",
        args.file.display(),
        copied.bytes,
        database.display(),
        began.elapsed().as_secs_f64()
    );
    output::line(done.shown())?;
    output::remark(say!(
        "备份里没有主密钥，没有主密钥就读不出其中的 AppSecret。请另外保存{key}，并与备份分开。",
        "The backup does not contain the master key, and without the master key its AppSecrets cannot be read. Keep {key} \
         too, apart from the backup.";
        key
    ));
    Ok(())
}

/// Notes the time of the backup beside the database, where the gateway reads it for its metrics. The file is replaced, not
/// written: the last file may belong to root. The file belongs to the database's owner.
fn note_time(database: &Path, at: SystemTime) -> Result<(), Failure> {
    let mark = backup_mark(database);
    let draft = Draft::beside(&mark)?;
    File::create_new(&draft.path)
        .and_then(|file| file.set_modified(at))
        .map_err(|error| Failure::cannot_write(&mark, &error))?;
    draft.becomes(&mark)?;
    match Owner::of(database) {
        Some(owner) if files::is_root() => files::give(&mark, owner),
        _ => Ok(()),
    }
}

/// Names the place of the master key, for the person who must keep a copy of it.
fn where_the_key_is(settings: &Settings) -> Text {
    let file = match (&settings.master_key, &settings.master_key_file) {
        (Some(_), _) => return say!(" master_key 的值", "the value of master_key"),
        (None, Some(file)) => file.clone(),
        (None, None) => settings.data_dir.join(KEY_FILE),
    };
    say!(" {}", "{}", file.display())
}
