//! `cargo xtask fuzz`: builds the fuzz targets with instrumentation for libFuzzer, and runs them.
//!
//! This does what `cargo fuzz` would do, without an installation and without a nightly compiler. A memory checker needs
//! nightly; `unsafe` is forbidden in all fuzzed code, so a memory checker would check only other crates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::command::{Result, cargo, output_of, root, run as run_command, target_dir};

/// The compiler options for libFuzzer's coverage: taken edges, and operands of comparisons.
const INSTRUMENTS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The longest input: far longer than any accepted input; longer inputs find nothing new and are slow.
const MAX_BYTES: u32 = 4096;

/// The time limit of one input in seconds.
const TIMEOUT_SECONDS: u32 = 10;

#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// Run only these targets. Default: all targets
    targets: Vec<String>,
    /// How many inputs to try with each target
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) runs: u64,
    /// Keep new inputs in fuzz/corpus/, without inputs whose coverage others have already
    #[arg(long)]
    keep: bool,
}

impl FuzzArgs {
    /// All targets, for as long as a test may take.
    pub(crate) const fn short() -> Self {
        Self { targets: Vec::new(), runs: 200_000, keep: false }
    }
}

/// Builds and runs. New inputs go to the target directory; so do inputs that break something.
///
/// # Errors
/// When the build fails, when a target does not exist, or when a target finds something.
pub(crate) fn run(args: &FuzzArgs) -> Result {
    let known = targets()?;
    if let Some(unknown) = args.targets.iter().find(|name| !known.contains(name)) {
        return Err(format!("there is no target {unknown}; the targets are {}", known.join(", ")));
    }
    let built = target_dir()?.join("fuzz");
    let host = host()?;
    let mut build = cargo(&["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--locked"]);
    // A separate target directory, so that build scripts run without the instrumentation.
    run_command(build.args(["--target", &host, "--target-dir"]).arg(&built).env("RUSTFLAGS", INSTRUMENTS))?;
    let programs = built.join(host).join("release");
    for name in known.iter().filter(|name| args.targets.is_empty() || args.targets.contains(name)) {
        let target = Target::new(name, &programs, &built)?;
        println!("-- {name}");
        target.fuzz(args.runs)?;
        if args.keep {
            target.keep()?;
        }
    }
    Ok(())
}

/// A target, and the places of its inputs.
struct Target {
    program: PathBuf,
    /// Inputs written by hand, one idea each.
    seeds: PathBuf,
    /// Inputs found here and before. Thousands of small files, so they are kept as one archive.
    found: PathBuf,
    archive: PathBuf,
    /// The place of an input that breaks something.
    broken: PathBuf,
}

impl Target {
    fn new(name: &str, programs: &Path, built: &Path) -> Result<Self> {
        let target = Self {
            program: programs.join(name),
            seeds: root().join("fuzz/seeds").join(name),
            found: built.join("corpus").join(name),
            archive: root().join("fuzz/corpus").join(format!("{name}.tar.gz")),
            broken: built.to_owned(),
        };
        make_dir(&target.found)?;
        if target.archive.exists() {
            run_command(Command::new("tar").arg("-xf").arg(&target.archive).arg("-C").arg(&target.found))?;
        }
        Ok(target)
    }

    fn fuzz(&self, runs: u64) -> Result {
        let mut command = Command::new(&self.program);
        command.args([
            format!("-runs={runs}"),
            format!("-max_len={MAX_BYTES}"),
            format!("-timeout={TIMEOUT_SECONDS}"),
            format!("-artifact_prefix={}/", self.broken.display()),
            "-verbosity=0".into(),
            "-print_final_stats=1".into(),
        ]);
        run_command(command.arg(&self.found).arg(&self.seeds))
    }

    /// Reduces the inputs to one for each place in the code that any of them reaches.
    fn keep(&self) -> Result {
        let few = self.found.with_extension("few");
        make_dir(&few)?;
        let mut merge = Command::new(&self.program);
        merge.args(["-merge=1", "-use_counters=0"]).arg(format!("-max_len={MAX_BYTES}"));
        run_command(merge.arg(&few).arg(&self.seeds).arg(&self.found))?;
        // The same files must make the same archive.
        let mut tar = Command::new("tar");
        tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
        run_command(tar.arg("-czf").arg(&self.archive).arg("-C").arg(&few).arg("."))?;
        fs::remove_dir_all(&few).map_err(|error| format!("{}: {error}", few.display()))
    }
}

fn make_dir(path: &Path) -> Result {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The targets: each file is a target.
fn targets() -> Result<Vec<String>> {
    let dir = root().join("fuzz/fuzz_targets");
    let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut names = Vec::new();
    for file in fs::read_dir(&dir).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The platform for which this compiler builds.
fn host() -> Result<String> {
    let version = output_of(Command::new("rustc").arg("-vV")).ok_or("rustc does not say its version")?;
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc does not say for which machine it builds".into())
}
