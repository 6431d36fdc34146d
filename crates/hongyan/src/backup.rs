//! `hongyan backup`: a copy of the configured database, made while the gateway runs.

use std::time::Instant;

use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::KEY_FILE;
use hongyan_store::sqlite;
use serde_json::json;

use crate::beside::Draft;
use crate::cli::BackupArgs;
use crate::failure::Failure;
use crate::stoppable::stoppable;
use crate::{output, settings};

/// Runs the command.
pub(crate) async fn run(args: &BackupArgs) -> Result<(), Failure> {
    let settings = settings::load(&args.config, None)?;
    let database = settings.sqlite_path()?;
    if args.file.exists() && !args.force {
        return Err(Failure::run(format!(
            "{} is there already; name another file, or say --force to replace it",
            args.file.display()
        )));
    }
    let began = Instant::now();
    let to = Draft::beside(&args.file)?;
    let copied = {
        let (from, to) = (database.clone(), to.path.clone());
        stoppable(move |watcher| sqlite::copy(&from, &to, watcher)).await?
    };
    to.becomes(&args.file)?;
    let key = where_the_key_is(&settings);
    if args.json {
        return output::json(&json!({
            "file": args.file,
            "bytes": copied.bytes,
            "schema_version": copied.schema,
            "seconds": began.elapsed().as_secs_f64(),
            "master_key": { "included": false, "at": key },
        }));
    }
    output::line(&format!(
        "{}  {} bytes of {}, checked, in {:.1} s",
        args.file.display(),
        copied.bytes,
        database.display(),
        began.elapsed().as_secs_f64()
    ))?;
    output::remark(&format!(
        "The master key is not in it, and without it the AppSecrets in the backup cannot be read. Keep {key} too, and \
         apart from the backup."
    ));
    Ok(())
}

/// In words, for whoever must keep it.
fn where_the_key_is(settings: &Settings) -> String {
    match (&settings.master_key, &settings.master_key_file) {
        (Some(_), _) => "the value of master_key".into(),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => settings.data_dir.join(KEY_FILE).display().to_string(),
    }
}
