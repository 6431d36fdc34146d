//! `cargo xtask crash`: builds the gateway with fail points and what kills it, and starts the latter.

use std::fs;
use std::process::Command;

use crate::command::{Result, cargo, run as run_command, target_dir};

/// What the binary with fail points is called, so that nobody takes it for the usual one.
const ARMED: &str = "hongyan-with-failpoints";

/// Builds and crashes. The build is the one for development: it shares all dependencies with the tests, and its debug
/// assertions watch the ledger.
///
/// # Errors
/// When the build fails, or something was lost or doubled.
pub(crate) fn run(args: &[String]) -> Result {
    run_command(&mut cargo(&["build", "--package", "hongyan", "--features", "failpoints"]))?;
    let built = target_dir()?.join("debug");
    // Moved away: the next usual build puts the usual binary there again.
    let armed = built.join(ARMED);
    fs::rename(built.join("hongyan"), &armed)
        .map_err(|error| format!("cannot move the binary to {}: {error}", armed.display()))?;
    run_command(&mut cargo(&["build", "--package", "hongyan-crash"]))?;
    let mut crash = Command::new(built.join("hongyan-crash"));
    // The target directory is on a real disk; a system's temporary directory often is memory.
    crash.arg("--hongyan").arg(&armed).arg("--dir").arg(&built);
    run_command(crash.args(args))
}
