//! `cargo xtask soak`: builds the gateway and the soak test, and starts the soak test.

use std::process::Command;

use crate::command::{Result, cargo, root, run as run_command, target_dir};

/// Uses the development build.
const DEBUG: &str = "--debug";

/// The arguments for the step of `cargo xtask test`: long enough for days of the fast clock to pass and for a leak in
/// each request to show. The step uses the development build, which exists already.
pub(crate) fn short() -> Vec<String> {
    [DEBUG, "--minutes", "1", "--connections", "4"].map(str::to_owned).into()
}

/// Builds and runs the soak test.
///
/// # Errors
/// When the build fails, or when something grew.
pub(crate) fn run(args: &[String]) -> Result {
    let is_debug = args.iter().any(|arg| arg == DEBUG);
    let mut build = cargo(&["build", "--package", "hongyan", "--package", "hongyan-bench"]);
    if !is_debug {
        build.arg("--release");
    }
    run_command(&mut build)?;
    let built = target_dir()?.join(if is_debug { "debug" } else { "release" });
    let mut soak = Command::new(built.join("hongyan-bench"));
    soak.arg("soak").arg("--hongyan").arg(built.join("hongyan")).arg("--repository").arg(root());
    // The target directory is on a real disk; the system's temporary directory is often in memory.
    soak.arg("--dir").arg(&built);
    run_command(soak.args(args))
}
