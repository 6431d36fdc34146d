//! What the tests need on the machine: looked for, and installed where that is possible.

use std::path::Path;
use std::process::Command;

use crate::command::{Result, output_of, root, run as run_command};

/// Where Debian puts the browser.
const CHROMIUM: &str = "/usr/bin/chromium";

/// The oldest Node that has everything that the tests use.
const NODE_MAJOR: u32 = 20;

/// The browser, and a font without which Chinese is boxes.
const DEBIAN_PACKAGES: [&str; 2] = ["chromium", "fonts-noto-cjk"];

/// Makes everything ready.
///
/// # Errors
/// When something is missing that cannot be installed from here; the error says how to install it.
pub(crate) fn run() -> Result {
    browser()?;
    node()?;
    python()?;
    web_packages()
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
    if output_of(Command::new("apt-get").arg("--version")).is_none() {
        return Err(format!(
            "there is no {CHROMIUM}, and no apt-get to install it with; install Chromium (or Chrome) and a Chinese \
             font by hand, and set HONGYAN_CHROMIUM to the browser's path"
        ));
    }
    let packages = ["install", "-y", "--no-install-recommends"].into_iter().chain(DEBIAN_PACKAGES);
    run_command(apt_get().arg("update"))?;
    run_command(apt_get().args(packages))
}

/// apt-get that asks nothing, as root.
fn apt_get() -> Command {
    let is_root = output_of(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    // Not through the environment: sudo does not pass it on.
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}

fn node() -> Result {
    let wanted = format!("install Node {NODE_MAJOR} or newer, with npm (https://nodejs.org)");
    let version = output_of(Command::new("node").arg("--version"))
        .ok_or_else(|| format!("there is no Node; {wanted}"))?;
    let major: Option<u32> =
        version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if major >= NODE_MAJOR => Ok(()),
        _ => Err(format!("this Node is {version}; {wanted}")),
    }
}

fn python() -> Result {
    let probe = "import sys; sys.exit(sys.version_info < (3, 11))";
    match output_of(Command::new("python3").args(["-c", probe])) {
        Some(_) => Ok(()),
        None => Err("there is no Python 3.11 or newer, which examples/python needs; install python3".into()),
    }
}

/// `npm ci`, unless what is installed is what the lock file asks for: then no network is needed.
fn web_packages() -> Result {
    let folder = root().join("web-tests");
    let changed = |name: &str| std::fs::metadata(folder.join(name)).and_then(|file| file.modified()).ok();
    // npm writes this file at the end of an installation.
    let installed = changed("node_modules/.package-lock.json");
    let wanted = changed("package-lock.json").max(changed("package.json"));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    run_command(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))
}
