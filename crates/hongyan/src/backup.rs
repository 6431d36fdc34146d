//! `hongyan backup`: a copy of the configured database, made while the gateway runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::KEY_FILE;
use hongyan_store::sqlite::{self, Watcher};
use serde_json::json;

use crate::cli::BackupArgs;
use crate::failure::Failure;
use crate::{output, progress, settings, signals};

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

/// Does work on a database on a thread of its own, shows how far it is, and ends it at SIGTERM or SIGINT.
pub(crate) async fn stoppable<T: Send + 'static, E: Into<Failure> + Send + 'static>(
    work: impl FnOnce(&Watcher) -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    let stop = signals::stop()?;
    let stopped = Arc::new(AtomicBool::new(false));
    let watcher = progress::watcher(&stopped);
    let mut working = tokio::task::spawn_blocking(move || work(&watcher));
    let done = tokio::select! {
        done = &mut working => done,
        () = stop => {
            stopped.store(true, Ordering::Relaxed);
            working.await
        }
    };
    done.map_err(|error| Failure::run(format!("the work ended badly: {error}")))?.map_err(Into::into)
}

/// A file under a name of its own, which becomes the real one when it is complete, and is removed otherwise.
pub(crate) struct Draft {
    pub(crate) path: PathBuf,
    kept: bool,
}

impl Draft {
    /// A name beside `file`, in the same directory: only within one can a file take another's place in one step.
    ///
    /// # Errors
    /// When the directory is not there.
    pub(crate) fn beside(file: &Path) -> Result<Self, Failure> {
        let cannot = |why: &str| Failure::run(format!("cannot write {}: {why}", file.display()));
        let name = file.file_name().ok_or_else(|| cannot("it is not the name of a file"))?;
        if !directory_of(file).is_dir() {
            return Err(cannot("its directory is not there"));
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| cannot(&error.to_string()))?;
        let mut draft = OsString::from(".");
        draft.push(name);
        draft.push(format!(".{:016x}.partial", u64::from_le_bytes(random)));
        Ok(Self { path: file.with_file_name(draft), kept: false })
    }

    /// Gives it its name, for good: also a power cut does not take it back.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn becomes(mut self, file: &Path) -> Result<(), Failure> {
        std::fs::rename(&self.path, file).and_then(|()| sync_directory(file)).map_err(|error| {
            Failure::run(format!("cannot rename {} to {}: {error}", self.path.display(), file.display()))
        })?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for suffix in ["", "-wal", "-shm", "-journal"] {
            // Most of them were never made.
            let _absent = std::fs::remove_file(with_suffix(&self.path, suffix));
        }
    }
}

/// The files that SQLite keeps beside a database.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes names in a file's directory durable.
pub(crate) fn sync_directory(file: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    std::fs::File::open(directory_of(file)).and_then(|directory| directory.sync_all())?;
    Ok(())
}

pub(crate) fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
