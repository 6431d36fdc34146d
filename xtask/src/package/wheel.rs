//! The wheel for PyPI: the program, and a plugin for pytest.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Result, root, run as run_command};
use crate::prepare;

/// The sources of the package.
const FOLDER: &str = "packages/python";

/// The licences of the program and of the plugin.
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// Puts the binary for glibc 2.17 into a wheel for every Linux since CentOS 7, with these further texts of licences.
///
/// # Errors
/// When the wheel cannot be written.
pub(crate) fn release(binary: &Path, licences: &[PathBuf], folder: &Path) -> Result<PathBuf> {
    // The second tag is the older name of the first: pip before version 20.3 knows only that name.
    make(binary, "manylinux_2_17_x86_64.manylinux2014_x86_64", licences, folder, &[])
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
    let version = env!("CARGO_PKG_VERSION");
    let licences = LICENCES.map(|name| root().join(name)).into_iter().chain(licences.iter().cloned());
    let licences = licences.flat_map(|file| [PathBuf::from("--licence"), file]);
    // A release binary exists already. maturin would compile the program again, with flags of its own.
    run_command(
        Command::new("python3")
            .arg(root().join(FOLDER).join("build_wheel.py"))
            .arg(binary)
            .args(["--version", version, "--platform", platform, "--out"])
            .arg(folder)
            .args(licences)
            .args(more),
    )?;
    Ok(folder.join(format!("hongyan-{version}-py3-none-{platform}.whl")))
}
