//! The package for Fedora, CentOS, openEuler and others with rpm.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{clear_folder, copy, epoch, make_folder, read, write};
use super::{OLDER, VERSION, contents, deb, dist, roots, work};
use crate::command::{Result, output_of, root, run as run_command};
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
    Ok(folder.join(format!("hongyan-{version}-1.x86_64.rpm")))
}

/// Installs, upgrades and removes the package in a small system. Debian's rpm knows no packages of that system, so it does
/// not check what the package needs.
///
/// # Errors
/// When rpm fails, or when a file is missing or left over.
pub(super) fn check() -> Result {
    let newer = dist().join(format!("hongyan-{VERSION}-1.x86_64.rpm"));
    let listed =
        output_of(Command::new("rpm").args(["-qlp"]).arg(&newer)).ok_or("rpm cannot read the package")?;
    for file in ["/etc/hongyan/hongyan.toml", "/usr/bin/hongyan", "/usr/share/man/man1/hongyan.1.gz"] {
        if !listed.lines().any(|line| line == file) {
            return Err(format!("the package has no {file}"));
        }
    }
    let older = build(OLDER, &work()?.join("older"))?;
    let system = roots::fresh(roots::SUITES[0], &[])?;
    let rpm = |args: &[&str]| {
        let mut rpm = Command::new("rpm");
        rpm.arg("--root").arg(&system).args(args);
        rpm
    };
    let version = || output_of(Command::new("chroot").arg(&system).args(["hongyan", "--version"]));
    let config = system.join("etc/hongyan/hongyan.toml");
    run_command(rpm(&["-i", "--nodeps"]).arg(&older))?;
    let changed = read(&config)? + "# changed by the administrator\n";
    write(&config, &changed, 0o640)?;
    run_command(rpm(&["-U", "--nodeps"]).arg(&newer))?;
    if version() != Some(format!("hongyan {VERSION}")) {
        return Err("the installed binary does not run".into());
    }
    if read(&config)? != changed {
        return Err("the upgrade replaced the configuration".into());
    }
    run_command(&mut rpm(&["--verify", "--nodeps", "--noconfig", "hongyan"]))?;
    run_command(&mut rpm(&["-e", "hongyan"]))?;
    if version().is_some() {
        return Err("the removal left the binary".into());
    }
    Ok(())
}
