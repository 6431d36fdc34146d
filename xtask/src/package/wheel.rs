//! The wheel for PyPI: the program, and a plugin for pytest.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::clear_folder;
use super::{VERSION, check_version, dist, roots, timed, work};
use crate::command::{Result, root, run as run_command};
use crate::installed::{PYTHON, Python};
use crate::prepare;

/// The platforms of the wheel for releases: every Linux since CentOS 7. The second tag is the older name of the first: pip
/// before version 20.3 knows only that name.
const PLATFORMS: &str = "manylinux_2_17_x86_64.manylinux2014_x86_64";

/// The licences of the program and of the plugin.
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// Puts the binary for glibc 2.17 into the wheel for releases, with these further texts of licences.
///
/// # Errors
/// When the wheel cannot be written.
pub(crate) fn release(binary: &Path, licences: &[PathBuf], folder: &Path) -> Result<PathBuf> {
    make(binary, PLATFORMS, licences, folder, &[])
}

/// The path of the wheel for releases.
pub(super) fn path() -> PathBuf {
    path_in(&dist(), PLATFORMS)
}

fn path_in(folder: &Path, platform: &str) -> PathBuf {
    folder.join(format!("hongyan-{VERSION}-py3-none-{platform}.whl"))
}

/// Installs the wheel for releases, and runs the tests of the sample: with the Python and the pytest of this machine, then
/// with those of the oldest Debian.
///
/// # Errors
/// When pip or a test fails.
pub(super) fn check() -> Result {
    let folder = work()?.join("wheel-check");
    clear_folder(&folder)?;
    let environment = Python::new(folder.join("venv"))?;
    timed(|| environment.install(&path()), || environment.test(&["example"]))?;
    check_version(&environment.program())?;
    let sample = ["shop.py", "test_shop.py"].map(|name| root().join(PYTHON).join("example").join(name));
    let files: Vec<_> = sample.into_iter().chain([path()]).collect();
    roots::boot(&roots::fresh(roots::SUITES[0], &files)?, "check-wheel.sh")
}

/// Puts any binary into a wheel for this machine, with less compression.
///
/// # Errors
/// When the wheel cannot be written.
pub(crate) fn quick(binary: &Path, folder: &Path) -> Result<PathBuf> {
    make(binary, &format!("linux_{}", std::env::consts::ARCH), &[], folder, &["--fast"])
}

fn make(
    binary: &Path,
    platform: &str,
    licences: &[PathBuf],
    folder: &Path,
    more: &[&str],
) -> Result<PathBuf> {
    prepare::python()?;
    let licences = LICENCES.map(|name| root().join(name)).into_iter().chain(licences.iter().cloned());
    let licences = licences.flat_map(|file| [PathBuf::from("--licence"), file]);
    // A release binary exists already. maturin would compile the program again, with flags of its own.
    run_command(
        Command::new("python3")
            .arg(root().join(PYTHON).join("build_wheel.py"))
            .arg(binary)
            .args(["--version", VERSION, "--platform", platform, "--out"])
            .arg(folder)
            .args(licences)
            .args(more),
    )?;
    Ok(path_in(folder, platform))
}
