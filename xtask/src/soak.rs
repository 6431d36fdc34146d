//! `cargo xtask soak`: builds the two programs and what puts them under load, and starts the latter.

use std::process::Command;

use crate::command::{Result, cargo, root, run as run_command, target_dir};

/// Uses what was built for development.
const DEBUG: &str = "--debug";

/// The run that is a step of `cargo xtask test`: long enough for days of the clock's to pass and for a leak in each
/// request to show. It is of the development build, which is there already.
pub(crate) fn short() -> Vec<String> {
    [DEBUG, "--minutes", "1", "--connections", "4"].map(str::to_owned).into()
}

/// Builds and soaks.
///
/// # Errors
/// When the build fails, or something grew.
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
    // The target directory is on a real disk; a system's temporary directory often is memory.
    soak.arg("--dir").arg(&built);
    run_command(soak.args(args))
}
