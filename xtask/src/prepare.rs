//! Finds what tests and measurements need on the machine, and installs missing programs where possible.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Result, output_of, root, run as run_command, target_dir};

/// The browser's path on Debian.
const CHROMIUM: &str = "/usr/bin/chromium";

/// The oldest Node that the tests support.
const NODE_MAJOR: u32 = 20;

/// The oldest Python that the example back end and the tools in Python support.
const PYTHON: &str = "3.11";

/// Prepares everything.
///
/// # Errors
/// When something is missing and cannot be installed here; the error says how to install it.
pub(crate) fn run() -> Result {
    browser()?;
    node()?;
    python()?;
    npm_packages("web-tests")?;
    npm_packages("sdk-tests")?;
    npm_packages("api-tests")?;
    python_packages("sdk-tests")?;
    python_packages("api-tests")?;
    deploy()?;
    python_packages("deploy/tests")?;
    python_packages("packages/python").map(drop)
}

fn browser() -> Result {
    if let Some(path) = std::env::var_os("HONGYAN_CHROMIUM") {
        return if Path::new(&path).exists() {
            Ok(())
        } else {
            Err(format!("HONGYAN_CHROMIUM names {}, which is not there", path.display()))
        };
    }
    if Path::new(CHROMIUM).exists() {
        return Ok(());
    }
    // Without this font, Chinese characters are shown as boxes.
    install(&["chromium", "fonts-noto-cjk"]).map_err(|why| {
        format!(
            "there is no {CHROMIUM}, and {why}; install Chromium (or Chrome) and a Chinese font by hand, and set \
             HONGYAN_CHROMIUM to the browser's path"
        )
    })
}

/// Node, with npm.
///
/// # Errors
/// When Node is missing and cannot be installed, or is too old.
pub(crate) fn node() -> Result {
    let by_hand = format!("install Node {NODE_MAJOR} or newer, with npm (https://nodejs.org)");
    if version_of("node").is_none() {
        install(&["nodejs"]).map_err(|why| format!("there is no Node, and {why}; {by_hand}"))?;
    }
    if version_of("npm").is_none() {
        // Some distributions package npm separately.
        install(&["npm"]).map_err(|why| format!("there is no npm, and {why}; {by_hand}"))?;
    }
    let version = version_of("node").ok_or_else(|| format!("there is no Node; {by_hand}"))?;
    let major: Option<u32> =
        version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if major >= NODE_MAJOR => Ok(()),
        _ => Err(format!("this Node is {version}; {by_hand}")),
    }
}

fn version_of(program: &str) -> Option<String> {
    output_of(Command::new(program).arg("--version"))
}

/// Python.
///
/// # Errors
/// When Python is missing and cannot be installed, or is too old.
pub(crate) fn python() -> Result {
    let is_new_enough = || {
        let probe = "import sys; sys.exit(sys.version_info < (3, 11))";
        output_of(Command::new("python3").args(["-c", probe])).is_some()
    };
    if is_new_enough() {
        return Ok(());
    }
    let by_hand = format!("there is no Python {PYTHON} or newer: install python3");
    install(&["python3"]).map_err(|why| format!("{by_hand} ({why})"))?;
    if is_new_enough() { Ok(()) } else { Err(by_hand) }
}

/// Installs Debian packages.
fn install(packages: &[&str]) -> Result {
    if place_of("apt-get").is_none() {
        return Err("there is no apt-get to install it with".into());
    }
    run_command(apt_get().arg("update"))?;
    run_command(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages))
}

/// apt-get without questions, as root.
fn apt_get() -> Command {
    let mut command = as_root();
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}

/// Runs a program as root: the arguments are variables, the program and its arguments.
fn as_root() -> Command {
    let is_root = output_of(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    // sudo does not pass the environment on; sudo and env both set variables that stand before the program.
    Command::new(if is_root { "env" } else { "sudo" })
}

/// What the tests of `deploy/` start.
///
/// # Errors
/// As [`programs`].
pub(crate) fn deploy() -> Result {
    programs(&[("promtool", "prometheus"), ("nginx", "nginx-light"), ("openssl", "openssl")])
}

/// Installs the Debian packages of missing programs: `(program, package)`. Services of these packages are not started.
///
/// # Errors
/// When a program is missing and cannot be installed.
pub(crate) fn programs(wanted: &[(&str, &str)]) -> Result {
    let missing = wanted.iter().filter(|(program, _)| place_of(program).is_none());
    let packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    without_services(|| install(&packages))
        .map_err(|why| format!("{why}; install by hand: {}", packages.join(", ")))
}

/// Where a program is. Debian keeps some programs, such as nginx, where only root looks for programs.
pub(crate) fn place_of(program: &str) -> Option<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&places).chain([PathBuf::from("/usr/sbin")]);
    places.map(|place| place.join(program)).find(|path| path.is_file())
}

/// Installs packages without starting their services: Debian asks this file first.
fn without_services(install: impl FnOnce() -> Result) -> Result {
    let policy = Path::new("/usr/sbin/policy-rc.d");
    if policy.exists() {
        return install();
    }
    let script =
        "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d";
    run_command(as_root().args(["sh", "-c", script]))?;
    let installed = install();
    run_command(as_root().args(["rm", "/usr/sbin/policy-rc.d"]))?;
    installed
}

/// `npm ci` in a folder of the repository. Skipped if the installed packages match the lock file: then no network is
/// needed.
///
/// # Errors
/// When npm fails.
pub(crate) fn npm_packages(folder: &str) -> Result {
    let folder = root().join(folder);
    let changed = |name: &str| std::fs::metadata(folder.join(name)).and_then(|file| file.modified()).ok();
    // npm writes this file at the end of an installation.
    let installed = changed("node_modules/.package-lock.json");
    let wanted = changed("package-lock.json").max(changed("package.json"));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    run_command(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))
}

/// A virtual environment in the target directory with the packages in a folder's `requirements.txt`; returns its Python.
/// An up-to-date environment needs no network.
///
/// # Errors
/// When Python has no `venv` and `venv` cannot be installed, or when pip fails.
pub(crate) fn python_packages(folder: &str) -> Result<PathBuf> {
    let wanted = root().join(folder).join("requirements.txt");
    let list = fs::read(&wanted).map_err(|error| format!("cannot read {}: {error}", wanted.display()))?;
    let environment = target_dir()?.join(format!("{folder}-venv"));
    // The file is written at the end of an installation.
    let installed = environment.join("installed.txt");
    let python = environment.join("bin/python");
    if fs::read(&installed).is_ok_and(|text| text == list) {
        return Ok(python);
    }
    let make = || run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
    if make().is_err() {
        // Debian packages venv separately.
        install(&["python3-venv"]).map_err(|why| format!("python3 -m venv failed, and {why}"))?;
        make()?;
    }
    run_command(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&wanted),
    )?;
    fs::write(&installed, list).map_err(|error| format!("cannot write {}: {error}", installed.display()))?;
    Ok(python)
}
