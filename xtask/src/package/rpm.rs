//! The package for Fedora, CentOS, openEuler and others with rpm.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{clear_folder, copy, epoch, make_folder};
use super::{OLDER, VERSION, contents, deb, dist, roots, work};
use crate::command::{Result, root, run as run_command};
use crate::prepare;

/// Makes the package.
///
/// # Errors
/// When rpmbuild fails.
pub(super) fn make() -> Result {
    build(VERSION, &dist()).map(drop)
}

/// Makes a package of this version in a folder, and returns its path.
///
/// # Errors
/// When rpmbuild fails.
pub(super) fn build(version: &str, folder: &Path) -> Result<PathBuf> {
    prepare::programs(&[("rpmbuild", "rpm")])?;
    let tree = work()?.join("rpm");
    deb::lay_out(&tree, "usr/share/zsh/site-functions", "usr/lib/systemd/system")?;
    for name in ["LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.txt"] {
        copy(&contents::folder()?.join(name), &tree.join("usr/share/doc/hongyan").join(name), 0o644)?;
    }
    let top = work()?.join("rpmbuild");
    clear_folder(&top)?;
    make_folder(folder)?;
    let define = |name: &str, value: &dyn std::fmt::Display| format!("{name} {value}");
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "--target", "x86_64-linux"]);
    for definition in [
        define("_topdir", &top.display()),
        define("_rpmdir", &folder.display()),
        define("_rpmfilename", &"%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"),
        define("package_version", &version),
        define("tree", &tree.display()),
    ] {
        build.arg("--define").arg(definition);
    }
    build.arg(root().join("packages/linux/hongyan.spec")).env("SOURCE_DATE_EPOCH", epoch()?.to_string());
    run_command(&mut build)?;
    Ok(path(folder, version))
}

/// The path of a package in a folder.
pub(super) fn path(folder: &Path, version: &str) -> PathBuf {
    folder.join(format!("hongyan-{version}-1.x86_64.rpm"))
}

/// Installs, upgrades and removes the package in a small Debian. Its rpm knows no packages of Debian, so rpm does not check
/// what the package needs.
///
/// # Errors
/// When a step of `packages/linux/check-rpm.sh` fails.
pub(super) fn check() -> Result {
    let older = build(OLDER, &work()?.join("older"))?;
    let system = roots::fresh(roots::SUITES[0], &[older, path(&dist(), VERSION)])?;
    roots::boot(&system, "check-rpm.sh")
}
