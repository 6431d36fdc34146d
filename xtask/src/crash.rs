//! `cargo xtask crash`: builds the gateway with fail points and the crash tests, and starts the crash tests.

use std::fs;
use std::process::Command;

use crate::command::{Result, cargo, run as run_command, target_dir};

/// The name of the binary with fail points, so that nobody takes it for the usual binary.
const ARMED: &str = "hongyan-with-failpoints";

/// Builds and runs the crash tests. The build is the development build: it shares all dependencies with the tests, and
/// its debug assertions check the ledger.
///
/// # Errors
/// When the build fails, or when a message was lost or doubled.
pub(crate) fn run(args: &[String]) -> Result {
    run_command(&mut cargo(&["build", "--package", "hongyan", "--features", "failpoints"]))?;
    let built = target_dir()?.join("debug");
    // The binary is moved, so that the next usual build makes the usual binary again.
    let armed = built.join(ARMED);
    fs::rename(built.join("hongyan"), &armed)
        .map_err(|error| format!("cannot move the binary to {}: {error}", armed.display()))?;
    run_command(&mut cargo(&["build", "--package", "hongyan-crash"]))?;
    let mut crash = Command::new(built.join("hongyan-crash"));
    // The target directory is on a real disk; the system's temporary directory is often in memory.
    crash.arg("--hongyan").arg(&armed).arg("--dir").arg(&built);
    run_command(crash.args(args))
}
