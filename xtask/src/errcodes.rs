//! `cargo xtask errcodes`: writes the pages of `docs/` that are generated from tables and rules in the code.

use clap::Args;

use crate::command::{Result, cargo, run as run_command};

#[derive(Debug, Args)]
pub(crate) struct ErrcodesArgs {
    /// Write nothing; fail if a page is out of date
    #[arg(long)]
    check: bool,
}

/// Writes the pages. Their generator needs the gateway's rules, which are too heavy to be built into this program.
///
/// # Errors
/// When a page cannot be written, or, with `--check`, is out of date.
pub(crate) fn run(args: &ErrcodesArgs) -> Result {
    let mut command =
        cargo(&["run", "--quiet", "--package", "hongyan-gateway", "--example", "reference_pages"]);
    if args.check {
        command.args(["--", "--check"]);
    }
    run_command(&mut command)
}
