//! Copies of a whole database, made while it is served, and the restore of a copy.

use std::fs::{File, OpenOptions};
use std::path::Path;

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::{MessageState, ReasonCode};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, params};

use super::cells::change;
use super::health::{self, Depth, Looked, Stage, Watcher};
use super::memory::{Memory, Transaction};
use super::row_error::{RowError, RowResult};
use super::{apps, open, tallies};
use crate::rows::AuditRows;
use crate::types::{Actor, AuditEnd, NewAudit, PauseOrder, Subject};
use crate::{Result, StoreError, verbs};

/// How many pages (of 4 KiB) are copied between two calls of the watcher.
const PAGES_PER_STEP: i32 = 1_000;

/// How many characters of a file's name a line of the audit trail has, at most.
const MAX_NAME: usize = 200;

/// A copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Its size.
    pub bytes: u64,
    /// The version of its schema.
    pub schema: i64,
}

/// What a restore does with the open messages of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// The database was used after the copy was made, at the latest until this moment. Messages that were due by then may
    /// have been sent, so they become `unknown`. `None`: nothing was sent after the copy was made.
    pub went_on_until: Option<UnixMillis>,
    /// Pause every app, with this explanation.
    pub pause: Option<String>,
    /// The time.
    pub now: UnixMillis,
}

/// A restored copy that is ready to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Its size.
    pub bytes: u64,
    /// Messages that became `unknown`, because they may have been sent after the copy was made.
    pub unknown: u64,
    /// Messages that are still to be sent.
    pub open: u64,
    /// Messages that were in flight; the next start settles them as unanswered.
    pub sending: u64,
    /// Apps that were paused.
    pub paused: u64,
}

/// Copies the database `from` into the new file `to`, which only this user may read. When it returns, the copy was synced to
/// the disk and checked. The database may be served meanwhile.
///
/// All steps of the copy read within one transaction. So they see one state, and the writer is not held up: in WAL mode it
/// never waits for a reader. Without that transaction SQLite's backup starts again from the first page whenever another
/// process has written between two steps. Measured at 1,200 commits/s on 200 MB: 4,481 restarts in 15 s and no end, against
/// 1.4 s in one transaction. `VACUUM INTO` took 2.1 s, because it builds every index again, and it shows no progress. The
/// price: the log cannot be truncated while the copy is made, so it grows by all that is written meanwhile.
///
/// # Errors
/// When `from` is not a database of this program, is newer than this program or is damaged, or when `to` exists or cannot be
/// written. A partial copy may be left behind.
pub fn copy(from: &Path, to: &Path, watcher: &Watcher) -> Result<Copied> {
    let failed = |trouble: RowError| trouble.in_verb("be copied");
    if !from.is_file() {
        return Err(StoreError::Open {
            path: from.display().to_string(),
            why: "there is no such file".into(),
        });
    }
    open::check_owner(from)?;
    let source = open::reader(from, open::PEOPLE_CACHE)?;
    create_private(to).map_err(|error| cannot_write(to, &error))?;
    copy_pages(&source, to, watcher).map_err(failed)?;
    drop(source);
    sync(to).map_err(|error| cannot_write(to, &error))?;
    match health::look(to, Depth::Pages, Some(watcher))? {
        Looked::Whole => {}
        Looked::InPart => return Err(failed(stopped())),
    }
    let schema = open::reader(to, open::PEOPLE_CACHE)
        .and_then(|copy| open::pragma(&copy, "user_version").map_err(|error| failed(error.into())))?;
    let bytes = std::fs::metadata(to).map_err(|error| cannot_write(to, &error))?.len();
    Ok(Copied { bytes, schema })
}

/// Copies `from`, a copy that [`copy()`] made, into the new file `to`, brings its schema up to date, and treats its open
/// messages as `put_back` says. When it returns, the file is ready to be served.
///
/// # Errors
/// Like [`copy()`].
pub fn put_back(from: &Path, to: &Path, put_back: &PutBack, watcher: &Watcher) -> Result<Restored> {
    copy(from, to, watcher)?;
    let db = open::writer(to)?;
    let restored = in_one_transaction(&db, |db| {
        // Nobody serves this file yet, so the memory is empty.
        let memory = Memory::default();
        let tx = Transaction { db, memory: &memory };
        note(&tx, from, put_back.now)?;
        let restored = prepare(&tx, put_back)?;
        tallies::write(&tx)?;
        Ok(restored)
    })
    .map_err(|trouble| trouble.in_verb("prepare the restored database"))?;
    db.close().map_err(|(_, error)| RowError::from(error).in_verb("close the restored database"))?;
    sync(to).map_err(|error| cannot_write(to, &error))?;
    let bytes = std::fs::metadata(to).map_err(|error| cannot_write(to, &error))?.len();
    Ok(Restored { bytes, ..restored })
}

/// Writes into the audit trail of the restored database that it was restored, and from which file.
fn note(tx: &Transaction<'_>, from: &Path, now: UnixMillis) -> RowResult<()> {
    let file = from.file_name().map(|name| name.to_string_lossy().chars().take(MAX_NAME).collect());
    let subject = Subject { appid: None, object: file };
    let new = NewAudit { at: now, actor: Actor::COMMAND_LINE, call: "restore".into(), subject };
    let number = tx.insert_audit(&new)?;
    tx.end_audit(number, &AuditEnd { result: "ok".into(), fields: Vec::new(), subject: Subject::default() })
}

fn copy_pages(source: &Connection, to: &Path, watcher: &Watcher) -> RowResult<()> {
    let mut copy = Connection::open(to)?;
    // The copy is synced once, at its end. A copy that is cut short is thrown away, so it needs no rollback.
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;")?;
    let page_size = open::pragma(source, "page_size")?.unsigned_abs();
    // BEGIN alone fixes no snapshot: the first statement after it does, and all later statements see the same state.
    source.execute_batch("BEGIN")?;
    open::pragma(source, "schema_version")?;
    {
        let backup = Backup::new(source, &mut copy)?;
        loop {
            let step = backup.step(PAGES_PER_STEP)?;
            let progress = backup.progress();
            let total = u64::from(progress.pagecount.unsigned_abs()) * page_size;
            let left = u64::from(progress.remaining.unsigned_abs()) * page_size;
            if !watcher(Stage::Copying { done: total.saturating_sub(left), total }) {
                return Err(stopped());
            }
            if step == StepResult::Done {
                break;
            }
        }
    }
    source.execute_batch("ROLLBACK")?;
    // The copied header says WAL. In mode DELETE the copy is a single file, which can be opened even where no file can be
    // written beside it.
    let mode: String = copy.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
    if mode != "delete" {
        return Err(RowError::corrupt(format!("the copy stays in journal mode {mode}")));
    }
    copy.close().map_err(|(_, error)| error.into())
}

/// Holds back the open messages that were due. Nobody can tell from the copy whether they went out after it was made, so
/// they become `unknown`. A message that was `sending` has a permit and an attempt of its own; the next start settles it
/// like after any crash. A message that is due after the restore cannot have gone out before it.
fn prepare(tx: &Transaction<'_>, put_back: &PutBack) -> RowResult<Restored> {
    let count =
        |sql: &str| Ok::<u64, RowError>(tx.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs());
    let unknown = match put_back.went_on_until {
        None => 0,
        Some(until) => change(
            tx,
            "UPDATE messages SET state = ?1, reason = ?2, wake_at = NULL, updated_at = ?3 \
             WHERE state IN (0, 1, 2) AND send_at <= ?4",
            params![MessageState::Unknown.code(), ReasonCode::Restored.name(), put_back.now.0, until.0],
        )?,
    };
    if unknown > 0 {
        verbs::messages::tell_restored(tx, put_back.now)?;
    }
    let mut paused = 0;
    if let Some(detail) = &put_back.pause {
        for app in apps::all(tx)? {
            let pause = AppPause { code: PauseCode::Operator, until: None };
            let order = PauseOrder {
                appid: app.appid,
                pause,
                errcode: None,
                detail: detail.clone(),
                now: put_back.now,
            };
            verbs::apps::pause(tx, &order)?;
            paused += 1;
        }
    }
    Ok(Restored {
        bytes: 0,
        unknown: unknown as u64,
        open: count("SELECT COUNT(*) FROM messages WHERE state IN (0, 1, 2)")?,
        sending: count("SELECT COUNT(*) FROM messages WHERE state = 3")?,
        paused,
    })
}

fn in_one_transaction<T>(db: &Connection, work: impl FnOnce(&Connection) -> RowResult<T>) -> RowResult<T> {
    let transaction = db.unchecked_transaction()?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

fn stopped() -> RowError {
    RowError::Stopped
}

fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn cannot_write(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Open { path: path.display().to_string(), why: format!("it cannot be written: {error}") }
}
