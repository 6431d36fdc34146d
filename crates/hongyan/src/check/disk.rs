//! The data directory, the database's files, and the space under them.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::{KEY_FILE, PREVIOUS_KEY_FILE};
use hongyan_store::Store;
use hongyan_store::sqlite::{self, Depth, Looked, SqliteConfig, SqliteStore};

use crate::beside::{directory_of, with_suffix};
use crate::database::absolute;
use crate::files::{self, Owner};
use crate::findings::Findings;
use crate::stoppable::stoppable;
use crate::text::{Text, say};

/// The least free space: a gateway with less has no room for its write-ahead log.
const FREE_BYTES: usize = 1024 * 1024;

/// The mode bits of users that are neither owner nor group.
const OTHERS: u32 = 0o007;

pub(super) fn data_dir(path: &Path, findings: &mut Findings) {
    let what = say!("数据目录", "data directory");
    let shown = absolute(path);
    let good = || Text::same(shown.display().to_string());
    // A data directory that does not exist is made in the nearest existing directory.
    let nearest = shown.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if !nearest.is_dir() {
        findings.wrong_setting(
            what,
            say!("{} 不是目录；请设置 data_dir", "{} is not a directory; set data_dir", nearest.display()),
        );
        return;
    }
    // The surest test is to make a file there. The file is removed at once.
    match tempfile::tempfile_in(nearest) {
        Ok(_) if nearest == shown => findings.good(what, good()),
        Ok(_) => findings.good(what, not_there_yet(&shown)),
        // A full disk is a finding of its own: see [`space`].
        Err(error) if error.kind() == ErrorKind::StorageFull => findings.good(what, good()),
        Err(error) => findings.wrong_setting(what, files::unusable(nearest, &error).into_text()),
    }
}

fn not_there_yet(path: &Path) -> Text {
    say!("{} 还不存在；首次启动时创建", "{} is not there yet; the first start makes it", path.display())
}

pub(super) fn space(settings: &Settings, findings: &mut Findings) {
    let what = say!("磁盘空间", "disk space");
    let Ok(database) = settings.sqlite_path() else { return };
    let directory = directory_of(&database);
    let write = || {
        let mut file = tempfile::tempfile_in(directory)?;
        file.write_all(&vec![0; FREE_BYTES])?;
        file.sync_all()
    };
    if !directory.is_dir() {
        return;
    }
    match write() {
        Ok(()) => findings.good(
            what,
            say!("{} 可以写入 1 MiB", "1 MiB can be written in {}", absolute(directory).display()),
        ),
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            findings.bad(
                what,
                say!(
                    "{} 的可用空间不足 1 MiB；请清理磁盘",
                    "less than 1 MiB is free in {}; make space",
                    absolute(directory).display()
                ),
            );
        }
        Err(error) => findings.skipped(what, Text::same(error.to_string())),
    }
}

/// Looks at every page before the store opens the database: opening may write to the database.
pub(super) async fn database(
    settings: &Settings,
    depth: Depth,
    findings: &mut Findings,
) -> Option<Arc<dyn Store>> {
    let what = &say!("数据库", "database");
    let path = match settings.sqlite_path() {
        Ok(path) => path,
        Err(error) => {
            findings.wrong_setting(what, &error);
            return None;
        }
    };
    let shown = absolute(&path);
    if !path.exists() {
        let directory = directory_of(&path);
        if directory.is_dir() || directory == settings.data_dir {
            findings.good(what, not_there_yet(&shown));
        } else {
            let directory = absolute(directory);
            let found = say!(
                "目录 {} 不存在；请先创建",
                "there is no directory {}; make it first",
                directory.display()
            );
            findings.wrong_setting(what, found);
        }
        return None;
    }
    if let Err(error) = files::check_usable(settings).and_then(|()| files::check_lock(settings)) {
        findings.wrong_setting(what, error.into_text());
        return None;
    }
    let looking = path.clone();
    match stoppable(move |watcher| sqlite::look(&looking, depth, Some(watcher))).await {
        Ok(Looked::Whole) => {}
        Ok(Looked::InPart) => {
            findings.skipped(
                what,
                say!("逐页检查没有做完就停止了", "the check of its pages was stopped before the end"),
            );
            return None;
        }
        Err(error) => {
            findings.wrong_setting(what, error.into_text());
            return None;
        }
    }
    match sqlite::schema_of(&path) {
        Ok(schema) if schema.found < schema.newest => {
            // Opening the database would upgrade its schema, and this command changes nothing.
            findings.good(
                what,
                say!(
                    "{}：每一页都完好。表结构是版本 {}；下次启动会升级到版本 {}，并且无法撤销：请先备份",
                    "{}: all pages are intact. Its schema has version {}; the next start upgrades the schema to version {}, and \
                     this cannot be undone: make a backup first",
                    shown.display(),
                    schema.found,
                    schema.newest
                ),
            );
            findings.skipped(
                say!("小程序", "apps"),
                say!(
                    "数据库的表结构较旧，读取小程序会使它升级",
                    "the database has an older schema, and reading its apps would upgrade the schema"
                ),
            );
            return None;
        }
        Ok(_) => {}
        Err(error) => {
            findings.wrong_setting(what, &error);
            return None;
        }
    }
    match SqliteStore::open(SqliteConfig::new(path)) {
        Ok(store) => {
            findings.good(
                what,
                say!(
                    "{} 可以打开，每一页都完好，表结构是当前版本",
                    "{} opens, all pages are intact, the schema is current",
                    shown.display()
                ),
            );
            Some(Arc::new(store))
        }
        Err(error) => {
            findings.wrong_setting(what, &error);
            None
        }
    }
}

/// Checks who owns the files, and who may read them.
pub(super) fn owners_and_modes(settings: &Settings, findings: &mut Findings) {
    let what = say!("属主和权限", "owners and modes");
    let Ok(database) = settings.sqlite_path() else { return };
    let mut all: Vec<_> = ["", "-wal", "-shm", ".lock"].map(|suffix| with_suffix(&database, suffix)).into();
    all.push(settings.data_dir.join(KEY_FILE));
    all.push(settings.data_dir.join(PREVIOUS_KEY_FILE));
    all.retain(|file| file.exists());
    if all.is_empty() {
        return;
    }
    // A file that belongs to root in another user's directory: the gateway runs as that user and cannot open the file.
    let foreign = all.iter().find(|file| {
        let (own, directory) = (Owner::of(file), Owner::of(directory_of(file)));
        own != directory && own.is_some_and(Owner::is_root) && !directory.is_some_and(Owner::is_root)
    });
    if let Some(file) = foreign {
        let heir = Owner::of(directory_of(file)).map_or_else(String::new, |owner| owner.to_string());
        findings.wrong_setting(
            what,
            say!(
                "{0} 属于 root，它的目录属于 {1}，后者打不开这个文件；请修改属主：chown {2} {0}",
                "{0} belongs to root and its directory to {1}, who cannot open the file; change its owner with: chown {2} {0}",
                absolute(file).display(),
                heir,
                Owner::of(directory_of(file)).map_or_else(String::new, Owner::for_chown)
            ),
        );
        return;
    }
    let may_enter = |file: &Path| files::full_mode(directory_of(file)).is_some_and(|mode| mode & 0o001 != 0);
    let open = all.iter().find(|file| {
        // A readable lock file tells nothing.
        !file.as_os_str().to_string_lossy().ends_with(".lock")
            && may_enter(file)
            && files::full_mode(file).is_some_and(|mode| mode & OTHERS != 0)
    });
    match open {
        Some(file) => findings.bad(
            what,
            say!(
                "本机的每个用户都能读取 {0}；请禁止：chmod o= {0}",
                "every user of this machine may read {0}; forbid this with: chmod o= {0}",
                absolute(file).display()
            ),
        ),
        None => findings
            .good(what, say!("只有属主和属组能读取这些文件", "only their user and group may read the files")),
    }
}
