//! `cargo xtask package`: builds everything installable into `dist/`, and checks it with `--check`.
//!
//! | module | makes |
//! | --- | --- |
//! | [`binary`] | the stripped binary that runs on old Linux systems; everything else contains it |
//! | [`contents`] | what the archive and the packages contain: the binary, manual pages, completions, licences |
//! | [`tarball`] | the archive for every Linux |
//! | [`deb`], [`rpm`] | packages |
//! | [`wheel`] | the package for PyPI |
//! | [`npm`] | the package for npm |
//! | [`image`], [`containerfile`] | container images |
//! | [`sbom`], [`licences`], [`crates`] | lists of what the binary contains |
//! | [`roots`] | small Debian systems in which packages are tried |
//! | [`files`] | folders, copies and checksums |
//!
//! Each of these modules also tries its file where Hongyan has never been: in a Debian, or in an environment for Python or
//! Node.

mod binary;
mod containerfile;
mod contents;
mod crates;
mod deb;
pub(crate) mod files;
mod image;
mod licences;
pub(crate) mod npm;
mod roots;
mod rpm;
mod sbom;
mod tarball;
pub(crate) mod wheel;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::command::{Result, output_of, root, target_dir};

/// The version of everything that is packed.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version of the packages from which upgrades are tried. The tilde makes it older than 0.0.9.
const OLDER: &str = "0.0.9~";

/// The highest exposure of the service, by `systemd-analyze security`, in tenths.
const MAX_EXPOSURE: &str = "20";

#[derive(Debug, Args)]
pub(crate) struct PackageArgs {
    /// Make only this part; may be repeated. The other files in dist/ stay
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
    /// Install, run, upgrade and remove what was made, in systems of its own below target/; needs root
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Binary,
    Sbom,
    Tarball,
    Deb,
    Rpm,
    Image,
    Wheel,
    Npm,
}

impl Part {
    const fn about(self) -> &'static str {
        match self {
            Self::Binary => "the stripped binary for glibc 2.17 and newer",
            Self::Sbom => "the list of what the binary contains (CycloneDX)",
            Self::Tarball => "the archive for every Linux with glibc 2.17 or newer",
            Self::Deb => "the package for Debian and Ubuntu",
            Self::Rpm => "the package for systems with rpm",
            Self::Image => "container images of the gateway and the sandbox",
            Self::Wheel => "the package for PyPI, with a plugin for pytest",
            Self::Npm => "the package for npm",
        }
    }

    fn make(self) -> Result {
        match self {
            Self::Binary => binary::dist_binary().map(drop),
            Self::Sbom => sbom::make(),
            Self::Tarball => tarball::make(),
            Self::Deb => deb::make(),
            Self::Rpm => rpm::make(),
            Self::Image => image::make(),
            Self::Wheel => {
                wheel::release(&binary::dist_binary()?, &[contents::third_party()?], &dist()).map(drop)
            }
            Self::Npm => npm::make(&binary::dist_binary()?, &[contents::third_party()?], &dist()).map(drop),
        }
    }

    /// The files in `dist/`.
    fn files(self) -> Vec<PathBuf> {
        match self {
            Self::Binary => Vec::new(),
            Self::Sbom => vec![sbom::path()],
            Self::Tarball => vec![tarball::path()],
            Self::Deb => vec![deb::path(&dist(), VERSION)],
            Self::Rpm => vec![rpm::path(&dist(), VERSION)],
            Self::Image => image::IMAGES.iter().map(|(_, name)| image::archive(name)).collect(),
            Self::Wheel => vec![wheel::path()],
            Self::Npm => vec![npm::path(&dist())],
        }
    }

    fn check(self) -> Result {
        match self {
            // Everything else contains the binary.
            Self::Binary => Ok(()),
            Self::Sbom => sbom::check(),
            Self::Wheel => wheel::check(),
            Self::Npm => npm::check(),
            Self::Tarball => tarball::check(),
            Self::Deb => deb::check(),
            Self::Rpm => rpm::check(),
            Self::Image => image::check(),
        }
    }
}

/// The folder of the finished files.
fn dist() -> PathBuf {
    root().join("dist")
}

/// The folder of what is made on the way.
fn work() -> Result<PathBuf> {
    Ok(target_dir()?.join("package"))
}

/// Makes the parts.
///
/// # Errors
/// When a part cannot be made, or does not pass its checks.
pub(crate) fn run(args: &PackageArgs) -> Result {
    if args.only.is_empty() {
        files::clear_folder(&dist())?;
    } else {
        files::make_folder(&dist())?;
    }
    let parts = Part::value_variants().iter();
    let parts: Vec<_> = parts.filter(|part| args.only.is_empty() || args.only.contains(part)).collect();
    for part in &parts {
        println!("\n== {}", part.about());
        let begin = Instant::now();
        part.make()?;
        println!("== made, {:.1} s", begin.elapsed().as_secs_f64());
    }
    files::write_checksums(&dist())?;
    if args.check {
        check_names(&parts)?;
        files::check_checksums(&dist())?;
    }
    for part in parts.iter().filter(|_| args.check) {
        println!("\n== check: {}", part.about());
        let begin = Instant::now();
        part.check()?;
        println!("== ok, {:.1} s", begin.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Checks that `dist/` has the files of these parts, and no file that no part knows.
fn check_names(parts: &[&Part]) -> Result {
    let known: Vec<_> = Part::value_variants().iter().flat_map(|part| part.files()).collect();
    for file in files::sorted(&dist())? {
        if !known.contains(&file) && !file.ends_with(files::CHECKSUMS) {
            return Err(format!("no check knows the file {}", file.display()));
        }
    }
    match parts.iter().flat_map(|part| part.files()).find(|file| !file.is_file()) {
        Some(missing) => Err(format!("there is no {}", missing.display())),
        None => Ok(()),
    }
}

/// Checks that an installed program is of this version.
fn check_version(program: &Path) -> Result {
    match output_of(Command::new(program).arg("--version")) {
        Some(version) if version == format!("hongyan {VERSION}") => Ok(()),
        other => Err(format!("the version of {} is {other:?}", program.display())),
    }
}

/// Installs a package and runs the tests of its sample. Says how long users wait for their first tests.
fn timed(install: impl FnOnce() -> Result, test: impl FnOnce() -> Result) -> Result {
    let begin = Instant::now();
    install()?;
    let installed = begin.elapsed().as_secs_f64();
    test()?;
    let tested = begin.elapsed().as_secs_f64();
    println!("installed in {installed:.1} s, installed and tested in {tested:.1} s (the goal: under 10 s)");
    Ok(())
}

/// The checks that take no time and need no build: the service is hardened, and the images can be made of the
/// Containerfile.
///
/// # Errors
/// When a file does not pass.
pub(crate) fn lint() -> Result {
    for name in ["gateway", "sandbox"] {
        containerfile::read(name)?;
    }
    // Only newer versions can look at a file that is not installed.
    let has_offline = output_of(Command::new("systemd-analyze").arg("--help"));
    if has_offline.is_none_or(|help| !help.contains("--offline")) {
        println!("the service's unit is not checked: there is no systemd-analyze with --offline");
        return Ok(());
    }
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--no-pager", "--offline=yes", "--threshold", MAX_EXPOSURE]);
    let unit = root().join("packages/linux/hongyan.service");
    let shown = output_of(analyze.arg(&unit)).ok_or_else(|| {
        format!("{}: systemd-analyze security finds an exposure above {MAX_EXPOSURE} tenths", unit.display())
    })?;
    shown.lines().filter(|line| line.contains("exposure level")).for_each(|line| println!("{line}"));
    Ok(())
}
