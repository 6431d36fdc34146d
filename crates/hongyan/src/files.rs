//! The owners of a database's files.
//!
//! The gateway runs as its own user, and its operator is often root: `sudo hongyan restore …` in an emergency. Files that
//! root makes in another user's directory must belong to that user, or the gateway cannot open them afterwards.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hongyan_gateway::Gateway;
use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::KEY_FILE;

use crate::beside::{directory_of, with_suffix};
use crate::failure::Failure;
use crate::text::say;

/// The files that SQLite and the gateway keep beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", ".lock"];

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match name(self.user) {
            Some(name) => write!(f, "{name} (uid {})", self.user),
            None => write!(f, "uid {}", self.user),
        }
    }
}

impl Owner {
    /// The owner of a file or a directory; `None` if the path does not exist.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let about = std::fs::metadata(path).ok()?;
        Some(Self { user: about.uid(), group: about.gid() })
    }

    /// Files have no such owners on this system.
    #[cfg(not(unix))]
    pub(crate) fn of(_: &Path) -> Option<Self> {
        None
    }

    /// The owner of a new file at this path: the owner of the nearest existing directory.
    pub(crate) fn of_nearest(path: &Path) -> Option<Self> {
        let whole = std::path::absolute(path).ok()?;
        whole.ancestors().skip(1).find_map(Self::of)
    }

    /// The user in the form of `sudo -u`.
    pub(crate) fn for_sudo(self) -> String {
        name(self.user).unwrap_or_else(|| format!("\\#{}", self.user))
    }

    /// The owner in the form of `chown`.
    pub(crate) fn for_chown(self) -> String {
        format!("{}:{}", self.user, self.group)
    }

    /// Whether this is root.
    pub(crate) const fn is_root(self) -> bool {
        self.user == 0
    }

    /// Whether this process runs as this user.
    pub(crate) fn is_this_process(self) -> bool {
        self.user == this_user()
    }
}

#[cfg(unix)]
fn this_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn this_user() -> u32 {
    0
}

/// The user that this process runs as, in words.
pub(crate) fn this_process() -> String {
    Owner { user: this_user(), group: 0 }.to_string()
}

/// Whether this process may change owners.
pub(crate) fn is_root() -> bool {
    cfg!(unix) && this_user() == 0
}

/// A user's name, if the machine has a list of users.
fn name(user: u32) -> Option<String> {
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    })
}

/// Refuses a database that this user cannot use, with an error that names both users.
///
/// # Errors
/// When the database, a file beside it, or its directory cannot be read and written. Exit code 78.
pub(crate) fn check_usable(settings: &Settings) -> Result<(), Failure> {
    let database = settings.sqlite_path()?;
    // The database and the files of SQLite beside it: each must be writable.
    for suffix in ["", "-wal", "-shm"] {
        check_writable(&with_suffix(&database, suffix))?;
    }
    let directory = directory_of(&database);
    // The command that needs a missing file makes the file, or reports it.
    if !directory.is_dir() {
        return Ok(());
    }
    // SQLite makes files beside the database, so the directory must be writable.
    match tempfile::tempfile_in(directory) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        Err(error) => Err(unusable(directory, &error)),
    }
}

/// Refuses a lock file that this user cannot open, because it belongs to another user.
///
/// # Errors
/// As [`check_usable`].
pub(crate) fn check_lock(settings: &Settings) -> Result<(), Failure> {
    check_writable(&with_suffix(&settings.sqlite_path()?, ".lock"))
}

fn check_writable(file: &Path) -> Result<(), Failure> {
    match OpenOptions::new().read(true).write(true).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // The code that opens the path reports a path that is not a file better.
        Err(error) if matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(unusable(file, &error)),
    }
}

/// The error for a file or directory that this user cannot use: it names the owner and what to do.
pub(crate) fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let path_shown = path.display();
    let cannot_use =
        || Failure::configuration(say!("{path_shown} 不可用：{error}", "cannot use {path_shown}: {error}"));
    let Some(owner) = Owner::of(path).or_else(|| Owner::of_nearest(path)) else {
        return cannot_use();
    };
    if error.kind() != ErrorKind::PermissionDenied || owner.is_this_process() {
        return cannot_use();
    }
    Failure::configuration(say!(
        "{path_shown} 不可用：{error}。它属于 {owner}，而本进程的用户是 {}；请以属主执行（sudo -u {} hongyan …），或用 chown 修改属主",
        "cannot use {path_shown}: {error}. It belongs to {owner}, and this process runs as {}; run the command as the \
         owner (sudo -u {} hongyan …), or change the owner (chown)",
        this_process(),
        owner.for_sudo()
    ))
}

/// The owner that the files of a database must have: the owner of the database, or of its future directory.
///
/// The owner is determined before any file is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heirs {
    database: Option<Owner>,
    data_dir: Option<Owner>,
    made_data_dir: bool,
}

impl Heirs {
    /// Looks at the existing files.
    ///
    /// # Errors
    /// When the settings name no SQLite file.
    pub(crate) fn of(settings: &Settings) -> Result<Self, Failure> {
        let database = settings.sqlite_path()?;
        let whose = |path: &Path| Owner::of(path).or_else(|| Owner::of_nearest(path));
        Ok(Self {
            database: whose(&database),
            data_dir: whose(&settings.data_dir),
            made_data_dir: !settings.data_dir.exists(),
        })
    }

    /// Gives the files that this process made as root to the owner. Does nothing for other users: they own the files that
    /// they make.
    ///
    /// # Errors
    /// When the system refuses the change.
    pub(crate) fn inherit(&self, settings: &Settings) -> Result<(), Failure> {
        if !is_root() {
            return Ok(());
        }
        let database = settings.sqlite_path()?;
        let mut files: Vec<(PathBuf, Option<Owner>)> = vec![(database.clone(), self.database)];
        files.extend(BESIDE.iter().map(|suffix| (with_suffix(&database, suffix), self.database)));
        files.push((Gateway::copy_before_upgrade(&database), self.database));
        files.push((settings.data_dir.join(KEY_FILE), self.data_dir));
        if self.made_data_dir {
            files.push((settings.data_dir.clone(), self.data_dir));
        }
        for (file, owner) in files {
            if let Some(owner) = owner {
                give(&file, owner)?;
            }
        }
        Ok(())
    }
}

/// Gives a file of root's to its new owner, if the file exists and belongs to root.
///
/// The new owner may write the directory, and so may have put anything there under this name: for example a link to a
/// system file. Only a file of root's with a single name changes its owner, and the checks and the change use the same
/// handle.
///
/// The handle is a mere path (`O_PATH`). SQLite may have the database open in this process, and closing an ordinary
/// handle of a file releases every lock of the process on that file (POSIX). Another process would then delete the
/// write-ahead log under the gateway, and later writes would be lost.
///
/// # Errors
/// When the system refuses the change.
#[cfg(target_os = "linux")]
pub(crate) fn give(path: &Path, owner: Owner) -> Result<(), Failure> {
    use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, open};

    let Ok(file) = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) else {
        return Ok(());
    };
    let given = fstat(&file).and_then(|about| {
        let is_plain = match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => true,
            FileType::RegularFile => about.st_nlink == 1,
            _ => false,
        };
        if about.st_uid != this_user() || about.st_uid == owner.user || !is_plain {
            return Ok(());
        }
        let (user, group) = (Uid::from_raw(owner.user), Gid::from_raw(owner.group));
        chownat(&file, "", Some(user), Some(group), AtFlags::EMPTY_PATH)
    });
    given.map_err(|error| {
        Failure::configuration(say!(
            "不能把 {} 的属主改为 {owner}：{error}",
            "cannot change the owner of {} to {owner}: {error}",
            path.display()
        ))
    })
}

/// Other systems have no handle that leaves SQLite's locks alone, so files keep their owners.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give(_: &Path, _: Owner) -> Result<(), Failure> {
    Ok(())
}

/// The mode bits of a file.
#[cfg(unix)]
pub(crate) fn full_mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|about| about.mode() & 0o777)
}

/// Files have no modes on this system.
#[cfg(not(unix))]
pub(crate) fn full_mode(_: &Path) -> Option<u32> {
    None
}

/// The mode of a file without the bits of other users: a database holds messages unencrypted.
pub(crate) fn mode(path: &Path) -> Option<u32> {
    full_mode(path).map(|mode| mode & 0o770)
}

/// Sets a file's mode.
#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Files have no modes on this system.
#[cfg(not(unix))]
pub(crate) fn set_mode(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn users_are_named() {
        assert_eq!(Owner { user: 0, group: 0 }.to_string(), "root (uid 0)");
        let unknown = Owner { user: 3_999_999_999, group: 0 };
        assert_eq!(unknown.to_string(), "uid 3999999999");
        assert_eq!(unknown.for_sudo(), "\\#3999999999");
    }

    #[test]
    fn a_new_file_is_whose_the_nearest_directory_is() {
        let dir = tempfile::tempdir().unwrap();
        let own = Owner::of(dir.path()).unwrap();
        assert!(own.is_this_process());
        assert_eq!(Owner::of_nearest(&dir.path().join("a/b/c.db")), Some(own));
    }

    #[test]
    fn what_root_made_is_given_to_the_directorys_owner_and_nothing_else_is() {
        const NOBODY: Owner = Owner { user: 65_534, group: 65_534 };
        if !is_root() {
            // Only root may change owners. The stories that run as root cover the rest.
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        give(&data, NOBODY).unwrap();
        let settings = Settings {
            database: Some(format!("sqlite:{}", data.join("hongyan.db").display())),
            data_dir: data.clone(),
            ..Settings::default()
        };
        let elsewhere = dir.path().join("of-the-system");
        std::fs::write(&elsewhere, "x").unwrap();
        std::fs::write(data.join("hongyan.db"), "x").unwrap();
        std::fs::write(data.join("other"), "x").unwrap();
        symlink(&elsewhere, data.join("hongyan.db.lock")).unwrap();
        std::fs::hard_link(&elsewhere, data.join("master.key")).unwrap();
        std::fs::remove_file(data.join("hongyan.db")).unwrap();
        let heirs = Heirs::of(&settings).unwrap();
        std::fs::write(data.join("hongyan.db"), "x").unwrap();
        heirs.inherit(&settings).unwrap();
        let user = |path: &Path| std::fs::metadata(path).unwrap().uid();
        assert_eq!(user(&data.join("hongyan.db")), NOBODY.user);
        assert_eq!(user(&elsewhere), 0, "the owner must not change through a link or a second name");
        assert_eq!(user(&data.join("other")), 0);
    }
}
