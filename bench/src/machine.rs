//! The machine of the measurement.

use std::path::Path;
use std::process::{Command, Stdio};

use hongyan_clock::Clock;
use serde::Serialize;

/// The machine, and the versions of the programs.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    /// The commit of the repository, with `-dirty` if there were uncommitted changes.
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) system: String,
    pub(crate) kernel: String,
    /// The filesystem of the databases.
    pub(crate) filesystem: String,
    /// The version of each program that is installed.
    pub(crate) versions: Vec<(&'static str, Option<String>)>,
}

impl Machine {
    /// Reads the facts about this machine.
    pub(crate) fn look(repository: &Path, databases: &Path) -> Self {
        let now = Clock::system().now().to_string();
        Self {
            date: now.chars().take("2026-05-01".len()).collect(),
            commit: output(
                Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(repository),
            )
            .unwrap_or_else(unknown),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory_gib().unwrap_or(f64::NAN),
            system: field("/etc/os-release", "PRETTY_NAME")
                .map_or_else(unknown, |name| name.trim_matches('"').to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").map_or_else(unknown, |text| text.trim().to_owned()),
            filesystem: filesystem(databases).unwrap_or_else(unknown),
            versions: vec![
                ("rustc", output(Command::new("rustc").arg("--version").current_dir(repository))),
                ("SQLite", Some(rusqlite::version().to_owned())),
                ("Node", output(Command::new("node").arg("--version"))),
                (
                    "Redis",
                    output(Command::new("redis-server").arg("--version")).and_then(|text| redis(&text)),
                ),
                ("BullMQ", bullmq(repository)),
            ],
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The first value of this name in a file of names and values.
fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path)?;
    let value =
        text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix([':', '=']))?;
    Some(value.trim().to_owned())
}

fn memory_gib() -> Option<f64> {
    let kib: f64 = field("/proc/meminfo", "MemTotal")?.trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1_024.0 / 1_024.0)
}

/// Type of the filesystem of a directory. The longest mount point above the directory counts.
fn filesystem(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = read("/proc/self/mounts")?;
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| directory.starts_with(point))
        .max_by_key(|(point, _)| point.len())?;
    Some(mount.1.to_owned())
}

/// "Redis server v=7.0.15 sha=…"
fn redis(text: &str) -> Option<String> {
    text.split_whitespace().find_map(|word| word.strip_prefix("v=")).map(str::to_owned)
}

fn bullmq(repository: &Path) -> Option<String> {
    let path = repository.join("bench/rivals/bullmq/node_modules/bullmq/package.json");
    let package: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    package["version"].as_str().map(str::to_owned)
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let machine = Machine::look(here.parent().unwrap(), here);
        assert!(machine.cores > 0 && machine.memory_gib > 0.1, "{machine:?}");
        assert_ne!(machine.filesystem, unknown(), "{machine:?}");
    }

    #[test]
    fn a_version_of_redis_is_found() {
        assert_eq!(redis("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc").as_deref(), Some("7.0.15"));
    }
}
