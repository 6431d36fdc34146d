//! `cargo xtask bench`: builds what is measured and what measures, both optimised, and starts the latter.

use std::process::Command;

use crate::command::{Result, cargo, run as run_command, target_dir};

/// Builds and measures.
///
/// # Errors
/// When the build or the measurement fails.
pub(crate) fn run(args: &[String]) -> Result {
    run_command(&mut cargo(&["build", "--release", "--package", "hongyan", "--package", "hongyan-bench"]))?;
    let built = target_dir()?.join("release");
    let mut measure = Command::new(built.join("hongyan-bench"));
    // The target directory is on a real disk; a system's temporary directory often is memory.
    measure.arg("--hongyan").arg(built.join("hongyan")).arg("--dir").arg(&built);
    run_command(measure.args(args))
}
