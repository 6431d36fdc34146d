//! The project's chores, as `cargo xtask …`.
//!
//! | module | knows |
//! | --- | --- |
//! | [`mod@test`] | the steps of `cargo xtask test`, in order |
//! | [`prepare`] | what tests and measurements need on the machine |
//! | [`sdks`] | SDKs that others wrote, with running services |
//! | [`kits`] | the tests of the packages for PyPI and npm |
//! | [`installed`] | these packages, installed as their users install them |
//! | [`web`] | the tests in JavaScript, with running services |
//! | [`mod@bench`] | building and starting the measurement |
//! | [`mod@crash`] | building and starting the crash tests |
//! | [`package`] | building everything that users install |
//! | [`soak`] | building and starting the soak test, which finds leaks |
//! | [`fuzz`] | building and running the fuzz targets |
//! | [`errcodes`] | the pages that are generated from the code |
//! | [`circles`] | the check for circles of files in a crate |
//! | [`sizes`] | the check for too long files |
//! | [`dependencies`] | the check for unneeded dependencies |
//! | [`sources`] | reading Rust sources, for these three checks |
//! | [`command`] | running programs |

mod api;
mod bench;
mod circles;
mod command;
mod crash;
mod demo;
mod dependencies;
mod deploy;
mod errcodes;
mod fuzz;
mod installed;
mod kits;
mod package;
mod prepare;
mod sdks;
mod sizes;
mod soak;
mod sources;
mod test;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up what the tests need, then run all of them
    Test(test::TestArgs),
    /// Measure speed, CPU and memory of a release build; --help says how
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments of the measurement
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Fuzz the parsers of untrusted input: random inputs, guided by code coverage
    Fuzz(fuzz::FuzzArgs),
    /// Build everything installable into dist/
    Package(package::PackageArgs),
    /// Write docs/errcodes.md and docs/problems.md, and the Chinese pages, from the code
    Errcodes(errcodes::ErrcodesArgs),
    /// Kill the gateway again and again, and count lost, doubled and stuck messages; --help says how
    #[command(disable_help_flag = true)]
    Crash {
        /// Arguments of the crash tests
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Put the gateway under load on a fast clock, and check whether anything grows; --help says how
    #[command(disable_help_flag = true)]
    Soak {
        /// Arguments of the soak test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Test(args) => test::run(&args),
        Command::Bench { args } => bench::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Package(args) => package::run(&args),
        Command::Errcodes(args) => errcodes::run(&args),
        Command::Crash { args } => crash::run(&args),
        Command::Soak { args } => soak::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
