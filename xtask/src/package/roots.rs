//! Small Debian systems below the target directory, in which packages are tried. `systemd-nspawn` starts them, so the
//! service runs as on a real machine, on a network of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::files::{self, clear_folder, copy, make_folder, read, write};
use super::work;
use crate::command::{Result, root, run as run_command};
use crate::prepare;

/// The versions of Debian: the oldest with updates, and the one after it.
pub(super) const SUITES: [&str; 2] = ["bullseye", "bookworm"];

/// What the scripts need besides the smallest set of packages.
const PACKAGES: &str = "adduser,curl,dbus,python3-pip,python3-pytest,rpm,systemd,systemd-sysv";

/// What several scripts share.
const SHARED: &str = "check-shared.sh";

/// The place of scripts and packages in the system.
const FOLDER: &str = "check";

/// Runs the script instead of a login, and turns the system off when the script ends.
const UNIT: &str = "\
[Unit]
Description=Check of the package
DefaultDependencies=no
After=basic.target dbus.service
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'if sh /check/script >/check/log 2>&1; then echo passed >/check/result; fi'
ExecStopPost=/bin/systemctl poweroff --no-block

[Install]
WantedBy=multi-user.target
";

/// A copy of a system with these files in its `/check`; the copy replaces the copy of an earlier check.
///
/// # Errors
/// When debootstrap fails, or a file cannot be copied.
pub(super) fn fresh(suite: &str, files: &[PathBuf]) -> Result<PathBuf> {
    let kept = work()?.join("roots").join(suite);
    let finished = kept.join("etc/hongyan-check");
    if !read(&finished).is_ok_and(|packages| packages == PACKAGES) {
        prepare::programs(&[("debootstrap", "debootstrap")])?;
        clear_folder(&kept)?;
        let mut make = Command::new("debootstrap");
        make.args(["--variant=minbase", &format!("--include={PACKAGES}"), suite]).arg(&kept);
        // debootstrap names every package on its way.
        run_command(make.stdout(Stdio::null()))?;
        write(&finished, PACKAGES, 0o644)?;
    }
    let copied = work()?.join("roots/check");
    clear_folder(&copied)?;
    run_command(Command::new("cp").args(["-a", "--reflink=auto"]).arg(kept.join(".")).arg(&copied))?;
    make_folder(&copied.join(FOLDER))?;
    for file in files {
        copy(file, &copied.join(FOLDER).join(file.file_name().unwrap_or_default()), 0o644)?;
    }
    Ok(copied)
}

/// Starts the system, and runs a script of `packages/linux/` in it.
///
/// # Errors
/// When the system does not start, or the script fails; the error has the last lines that the script wrote.
pub(super) fn boot(system: &Path, script: &str) -> Result {
    prepare::programs(&[("systemd-nspawn", "systemd-container")])?;
    let folder = system.join(FOLDER);
    let scripts = root().join("packages/linux");
    copy(&scripts.join(script), &folder.join("script"), 0o644)?;
    copy(&scripts.join(SHARED), &folder.join(SHARED), 0o644)?;
    let units = system.join("etc/systemd/system");
    write(&units.join("check.service"), UNIT, 0o644)?;
    let wanted = units.join("multi-user.target.wants");
    files::make_folder(&wanted)?;
    run_command(Command::new("ln").args(["-sf", "../check.service"]).arg(wanted.join("check.service")))?;
    let mut start = Command::new("timeout");
    start.args([
        "300",
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--private-network",
    ]);
    // What the system writes on its way is of interest only if the script does not run; then its log is missing.
    let output = start.arg("-D").arg(system).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot start systemd-nspawn: {error}"))?;
    if read(&folder.join("result")).is_ok_and(|result| result.trim() == "passed") {
        return Ok(());
    }
    let log = read(&folder.join("log")).unwrap_or_else(|_| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    let lines: Vec<_> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(30)..].join("\n");
    Err(format!("{script} failed in {}; the log ends with:\n{last}", system.display()))
}
