//! `cargo xtask package`: builds everything installable into `dist/`.
//!
//! | module | makes |
//! | --- | --- |
//! | [`binary`] | the stripped binary that runs on old Linux systems; everything else contains it |
//! | [`wheel`] | the package for PyPI |
//! | [`npm`] | the package for npm |
//! | [`files`] | folders, copies and checksums, for the other modules |

mod binary;
mod files;
pub(crate) mod npm;
pub(crate) mod wheel;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::command::{Result, root};

#[derive(Debug, Args)]
pub(crate) struct PackageArgs {
    /// Make only this part; may be repeated. The other files in dist/ stay
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Binary,
    Wheel,
    Npm,
}

impl Part {
    const fn about(self) -> &'static str {
        match self {
            Self::Binary => "the stripped binary for glibc 2.17 and newer",
            Self::Wheel => "the package for PyPI, with a plugin for pytest",
            Self::Npm => "the package for npm",
        }
    }

    fn make(self) -> Result {
        match self {
            Self::Binary => binary::dist_binary().map(drop),
            Self::Wheel => wheel::release(&binary::dist_binary()?, &dist()).map(drop),
            Self::Npm => npm::make(&binary::dist_binary()?, &dist()).map(drop),
        }
    }
}

/// The folder of the finished files.
fn dist() -> PathBuf {
    root().join("dist")
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
    for part in Part::value_variants() {
        if !args.only.is_empty() && !args.only.contains(part) {
            continue;
        }
        println!("\n== {}", part.about());
        let begin = Instant::now();
        part.make()?;
        println!("== ok, {:.1} s", begin.elapsed().as_secs_f64());
    }
    files::write_checksums(&dist())
}
