//! Folders, copies and checksums.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Result, output_of, root, run as run_command};

/// The file with the checksums of the others.
pub(super) const CHECKSUMS: &str = "SHA256SUMS";

/// Makes an empty folder, and removes an older folder of this name.
///
/// # Errors
/// When the file system refuses.
pub(crate) fn clear_folder(path: &Path) -> Result {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(path, &error)),
        _ => {}
    }
    make_folder(path)
}

/// Makes a folder with all folders above it.
///
/// # Errors
/// When the file system refuses.
pub(super) fn make_folder(path: &Path) -> Result {
    fs::create_dir_all(path).map_err(|error| failed(path, &error))
}

/// Writes a file with this mode, and makes the folders above it.
///
/// # Errors
/// When the file system refuses.
pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) -> Result {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    fs::write(path, bytes).map_err(|error| failed(path, &error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| failed(path, &error))
}

/// Copies a file and gives the copy this mode.
///
/// # Errors
/// When the file system refuses.
pub(super) fn copy(from: &Path, to: &Path, mode: u32) -> Result {
    write(to, fs::read(from).map_err(|error| failed(from, &error))?, mode)
}

/// The text of a file.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| failed(path, &error))
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn sha256(path: &Path) -> Result<String> {
    let output = output_of(Command::new("sha256sum").arg("--").arg(path));
    let digits = output.as_deref().and_then(|line| line.split_whitespace().next());
    // sha256sum puts a backslash before a line whose name it had to escape.
    digits
        .map(|digits| digits.trim_start_matches('\\').to_owned())
        .ok_or_else(|| format!("{}: there is no checksum", path.display()))
}

/// Writes the checksums of all other files of a folder, in the form that `sha256sum --check` reads.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn write_checksums(folder: &Path) -> Result {
    let mut lines = String::new();
    for path in sorted(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() && name != CHECKSUMS {
            lines = format!("{lines}{}  {name}\n", sha256(&path)?);
        }
    }
    write(&folder.join(CHECKSUMS), &lines, 0o644)?;
    print!("\n{lines}");
    Ok(())
}

/// Checks all files of a folder by its list of checksums, as users do.
///
/// # Errors
/// When a file is not in the list, or has another checksum.
pub(super) fn check_checksums(folder: &Path) -> Result {
    let list = read(&folder.join(CHECKSUMS))?;
    for path in sorted(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name != CHECKSUMS
            && !list.lines().any(|line| line.split_once("  ").is_some_and(|(_, of)| of == name))
        {
            return Err(format!("{CHECKSUMS} has no checksum of {name}"));
        }
    }
    run_command(Command::new("sha256sum").args(["--check", "--strict", CHECKSUMS]).current_dir(folder))
}

/// The time that files get in archives and packages, in seconds since 1970: that of the commit, or of
/// `SOURCE_DATE_EPOCH`. So the same source makes the same archives.
///
/// # Errors
/// When git does not say when the commit was made.
pub(super) fn epoch() -> Result<u64> {
    let set = std::env::var("SOURCE_DATE_EPOCH").ok();
    let told = set
        .or_else(|| output_of(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root())));
    told.and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| "git does not say when the last commit was made; set SOURCE_DATE_EPOCH".into())
}

/// The same time in the form of RFC 3339.
///
/// # Errors
/// When git does not say when the commit was made.
pub(super) fn time() -> Result<String> {
    let seconds = format!("@{}", epoch()?);
    output_of(Command::new("date").args(["--utc", "--date", &seconds, "+%Y-%m-%dT%H:%M:%SZ"]))
        .ok_or_else(|| "the program date failed".into())
}

/// What a folder contains, in the order of the names.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| failed(folder, &error))?;
    paths.sort();
    Ok(paths)
}

/// An error of the file system, with the path.
pub(super) fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
