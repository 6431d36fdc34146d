//! The archive for every Linux.

use std::path::Path;
use std::process::Command;

use super::files::{clear_folder, epoch};
use super::{VERSION, contents, dist, work};
use crate::command::{Result, Service, output_of, run as run_command};

/// The name of the archive, and of the folder in it.
fn name() -> String {
    format!("hongyan-{VERSION}-x86_64-linux")
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
    let archive = dist().join(format!("{}.tar.gz", name()));
    run_command(tar(&archive)?.args(["--use-compress-program", "gzip -9n", "-C"]).arg(&folder).arg(name()))
}

/// A tar that makes the same archive of the same files.
pub(super) fn tar(archive: &Path) -> Result<Command> {
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]);
    tar.arg(format!("--mtime=@{}", epoch()?)).arg("-cf").arg(archive);
    Ok(tar)
}

/// Unpacks the archive, and runs the demo from it.
///
/// # Errors
/// When something is missing or does not run.
pub(super) fn check() -> Result {
    let folder = work()?.join("tarball-check");
    clear_folder(&folder)?;
    run_command(
        Command::new("tar").arg("-xzf").arg(dist().join(format!("{}.tar.gz", name()))).arg("-C").arg(&folder),
    )?;
    let folder = folder.join(name());
    let version = output_of(Command::new(folder.join("hongyan")).arg("--version")).unwrap_or_default();
    if version != format!("hongyan {VERSION}") {
        return Err(format!("the version of the unpacked binary is {version}"));
    }
    for file in
        ["LICENSE-MIT", "THIRD-PARTY.txt", "completions/_hongyan", "man/hongyan.1", "man/hongyan-serve.1"]
    {
        if !folder.join(file).exists() {
            return Err(format!("the archive has no {file}"));
        }
    }
    let mut demo = Command::new(folder.join("hongyan"));
    demo.args(["demo", "--json", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"]);
    Service::start(&mut demo)?.stop()
}
