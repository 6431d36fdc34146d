//! The package for Debian and Ubuntu.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::contents::MANUALS;
use super::files::{self, clear_folder, copy, epoch, read, sorted, write};
use super::{OLDER, VERSION, contents, dist, roots, work};
use crate::command::{Result, output_of, root, run as run_command};

/// The scripts of the package.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Makes the package.
///
/// # Errors
/// When dpkg-deb fails.
pub(super) fn make() -> Result {
    build(VERSION, &dist()).map(drop)
}

/// Makes a package of this version in a folder, and returns its path.
///
/// # Errors
/// When dpkg-deb fails.
pub(super) fn build(version: &str, folder: &Path) -> Result<PathBuf> {
    let tree = work()?.join("deb");
    lay_out(&tree, "usr/share/zsh/vendor-completions", "lib/systemd/system")?;
    let contents = contents::folder()?;
    let texts = ["LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.txt"];
    let texts = texts.iter().map(|name| read(&contents.join(name))).collect::<Result<Vec<_>>>()?;
    let copyright =
        format!("Hongyan is under the MIT licence or Apache 2.0, as you like.\n\n{}", texts.join("\n\n"));
    write(&tree.join("usr/share/doc/hongyan/copyright"), copyright, 0o644)?;
    let source = root().join("packages/linux/debian");
    let control = tree.join("DEBIAN");
    for script in SCRIPTS {
        copy(&source.join(script), &control.join(script), 0o755)?;
    }
    copy(&source.join("conffiles"), &control.join("conffiles"), 0o644)?;
    let sizes = output_of(Command::new("du").args(["-sk", "--apparent-size"]).arg(&tree)).unwrap_or_default();
    let kibibytes = sizes.split_whitespace().next().unwrap_or("0");
    let fields =
        read(&source.join("control"))?.replace("@VERSION@", version).replace("@KIBIBYTES@", kibibytes);
    write(&control.join("control"), fields, 0o644)?;
    files::make_folder(folder)?;
    let package = path(folder, version);
    // Ubuntu's dpkg-deb would choose zstd, which older Debians cannot read.
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zxz", "--build"]).arg(&tree).arg(&package);
    run_command(build.env("SOURCE_DATE_EPOCH", epoch()?.to_string()))?;
    Ok(package)
}

/// The path of a package in a folder.
pub(super) fn path(folder: &Path, version: &str) -> PathBuf {
    folder.join(format!("hongyan_{version}_amd64.deb"))
}

/// Lays all files out as they are in an installed system.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn lay_out(tree: &Path, zsh: &str, units: &str) -> Result {
    let contents = contents::folder()?;
    clear_folder(tree)?;
    let places = [
        ("hongyan", "usr/bin/hongyan"),
        ("hongyan.toml", "etc/hongyan/hongyan.toml"),
        ("hongyan.service", &format!("{units}/hongyan.service")),
        ("completions/hongyan.bash", "usr/share/bash-completion/completions/hongyan"),
        ("completions/hongyan.fish", "usr/share/fish/vendor_completions.d/hongyan.fish"),
        ("completions/_hongyan", &format!("{zsh}/_hongyan")),
        ("README.md", "usr/share/doc/hongyan/README.md"),
        ("README.zh-CN.md", "usr/share/doc/hongyan/README.zh-CN.md"),
        ("CHANGELOG.md", "usr/share/doc/hongyan/changelog"),
        ("hongyan.example.toml", "usr/share/doc/hongyan/hongyan.example.toml"),
    ];
    for (from, to) in places {
        copy(&contents.join(from), &tree.join(to), if from == "hongyan" { 0o755 } else { 0o644 })?;
    }
    let mut gzip = Command::new("gzip");
    gzip.arg("-9n").arg(tree.join("usr/share/doc/hongyan/changelog"));
    for (_, folder) in MANUALS {
        let pages = tree.join("usr/share").join(folder);
        for page in sorted(&contents.join(folder))? {
            copy(&page, &pages.join(page.file_name().unwrap_or_default()), 0o644)?;
        }
        gzip.args(sorted(&pages)?);
    }
    run_command(&mut gzip)
}

/// Installs, upgrades, breaks, removes and purges the package in small Debian systems.
///
/// # Errors
/// When a step of `packages/linux/check-deb.sh` fails.
pub(super) fn check() -> Result {
    let older = build(OLDER, &work()?.join("older"))?;
    let newer = path(&dist(), VERSION);
    for suite in roots::SUITES {
        println!("-- {suite}");
        let system = roots::fresh(suite, &[older.clone(), newer.clone()])?;
        roots::boot(&system, "check-deb.sh")?;
    }
    Ok(())
}
