//! `cargo xtask bench`: builds what is measured and what measures, both optimised, installs what other programs need
//! that take part, and starts the measurement.

use std::process::Command;

use crate::command::{Result, cargo, output_of, root, run as run_command, target_dir};
use crate::prepare;

/// Where the packages of the measurement with BullMQ are.
const BULLMQ: &str = "bench/rivals/bullmq";

/// What must be there for a program of others to take part.
type Need = fn() -> Result;

/// Whoever is not in this list needs nothing.
const NEEDS: [(&str, Need); 2] = [
    ("tutorial", prepare::node),
    ("bullmq", || {
        prepare::node()?;
        prepare::redis()?;
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
        // The target directory is on a real disk; a system's temporary directory often is memory.
        measure.arg("--dir").arg(&built);
        measure.args(args);
        measure
    };
    let mut measure = command();
    // Words that it does not understand, or a wish for help, it answers itself below.
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
