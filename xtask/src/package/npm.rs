//! The package for npm: the program, and functions that start it from tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{clear_folder, failed, make_folder, sorted, write};
use super::{VERSION, check_version, dist, timed, work};
use crate::command::{Result, root, run as run_command, target_dir};
use crate::installed::{NPM, Node};
use crate::prepare;

/// The files of the repository that the package contains, beside its folder `lib`.
const FILES: [&str; 3] = ["packages/npm/README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// The place of the version in the package's description.
const NO_VERSION: &str = "\"version\": \"0.0.0\"";

/// Packs a binary into a package in this folder, with these further texts of licences.
///
/// # Errors
/// When there is no npm, when npm fails, or when a file cannot be copied.
pub(crate) fn make(binary: &Path, licences: &[PathBuf], folder: &Path) -> Result<PathBuf> {
    prepare::node()?;
    let stage = target_dir()?.join("npm-package");
    clear_folder(&stage)?;
    copy(binary, &stage.join("bin/hongyan"), 0o755)?;
    for file in sorted(&root().join(NPM).join("lib"))? {
        copy(&file, &stage.join("lib").join(name(&file)), 0o644)?;
    }
    for file in FILES.map(|file| root().join(file)).iter().chain(licences) {
        copy(file, &stage.join(name(file)), 0o644)?;
    }
    let description = root().join(NPM).join("package.json");
    let text = fs::read_to_string(&description).map_err(|error| failed(&description, &error))?;
    if !text.contains(NO_VERSION) {
        return Err(format!("{} must have {NO_VERSION}", description.display()));
    }
    let text = text.replace(NO_VERSION, &format!("\"version\": \"{VERSION}\""));
    write(&stage.join("package.json"), text, 0o644)?;
    make_folder(folder)?;
    run_command(
        Command::new("npm").args(["pack", "--silent", "--pack-destination"]).arg(folder).current_dir(stage),
    )?;
    Ok(path(folder))
}

/// The path of the package in a folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(format!("hongyan-{VERSION}.tgz"))
}

/// Installs the package of the release, and runs the tests of the sample.
///
/// # Errors
/// When npm or a test fails.
pub(super) fn check() -> Result {
    let folder = work()?.join("npm-check");
    clear_folder(&folder)?;
    let node = Node::new(&folder)?;
    timed(|| node.install(&path(&dist())), || node.test(&["example/node-test/shop.test.mjs"]))?;
    check_version(&node.program())
}

fn name(path: &Path) -> &Path {
    Path::new(path.file_name().unwrap_or_default())
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result {
    write(to, fs::read(from).map_err(|error| failed(from, &error))?, mode)
}
