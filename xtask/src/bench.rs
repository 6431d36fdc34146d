//! `cargo xtask bench`: builds the measured and the measuring program in release mode, installs what other programs in
//! the measurement need, and starts the measurement.

use std::process::Command;

use crate::command::{Result, cargo, output_of, root, run as run_command, target_dir};
use crate::prepare;

/// The packages of the measurement with BullMQ.
const BULLMQ: &str = "bench/rivals/bullmq";

/// The preparations for each program of others.
type Need = fn() -> Result;

/// Programs that are not in this list need no preparation.
const NEEDS: [(&str, Need); 2] = [
    ("tutorial", prepare::node),
    ("bullmq", || {
        prepare::node()?;
        prepare::programs(&[("redis-server", "redis-server")])?;
        prepare::npm_packages(BULLMQ)
    }),
];

/// Builds and measures.
///
/// # Errors
/// When the build or the measurement fails.
pub(crate) fn run(args: &[String]) -> Result {
    run_command(&mut cargo(&["build", "--release", "--package", "hongyan", "--package", "hongyan-bench"]))?;
    let built = target_dir()?.join("release");
    let command = || {
        let mut measure = Command::new(built.join("hongyan-bench"));
        measure.arg("--hongyan").arg(built.join("hongyan")).arg("--repository").arg(root());
        // The target directory is on a real disk; the system's temporary directory is often in memory.
        measure.arg("--dir").arg(&built);
        measure.args(args);
        measure
    };
    let mut measure = command();
    // The program itself reports unknown arguments and prints its help, below.
    let parts = output_of(command().arg("--list")).unwrap_or_default();
    for (name, need) in NEEDS {
        if parts.lines().any(|part| part == name)
            && let Err(why) = need()
        {
            eprintln!("xtask: {name} is left out: {why}");
            measure.arg("--missing").arg(format!("{name}={why}"));
        }
    }
    run_command(&mut measure)
}
