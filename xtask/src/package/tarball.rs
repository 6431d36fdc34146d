//! The archive for every Linux.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{clear_folder, epoch};
use super::{VERSION, contents, dist, roots, work};
use crate::command::{Result, run as run_command};

/// The name of the archive, and of the folder in it.
fn name() -> String {
    format!("hongyan-{VERSION}-x86_64-linux")
}

/// The path of the archive.
pub(super) fn path() -> PathBuf {
    dist().join(format!("{}.tar.gz", name()))
}

/// Makes the archive.
///
/// # Errors
/// When a file cannot be made.
pub(super) fn make() -> Result {
    let folder = work()?.join("tarball");
    clear_folder(&folder)?;
    run_command(Command::new("cp").arg("-a").arg(contents::folder()?).arg(folder.join(name())))?;
    // The packages have this file; its directory would not be there.
    run_command(Command::new("rm").arg(folder.join(name()).join("hongyan.toml")))?;
    run_command(tar(&path())?.args(["--use-compress-program", "gzip -9n", "-C"]).arg(&folder).arg(name()))
}

/// A tar that makes the same archive of the same files.
pub(super) fn tar(archive: &Path) -> Result<Command> {
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]);
    tar.arg(format!("--mtime=@{}", epoch()?)).arg("-cf").arg(archive);
    Ok(tar)
}

/// Follows README.md with the archive in the oldest Debian: unpacks, starts the gateway and the demo, sends a message.
///
/// # Errors
/// When a step of `packages/linux/check-tarball.sh` fails.
pub(super) fn check() -> Result {
    let system = roots::fresh(roots::SUITES[0], &[path()])?;
    roots::boot(&system, "check-tarball.sh")
}
