//! What the kernel knows of this process, by the names that Prometheus' own libraries use.
//!
//! The values come from Linux's `/proc`. On other systems there are none.

use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};

/// Linux counts the time of processes in hundredths of a second on every architecture that Rust has a standard library for.
const TICKS_PER_SECOND: f64 = 100.0;

/// When this process started, in Unix seconds: the first metrics of a process are made at its start. The kernel's own time would
/// need `/proc/stat`, which a hardened service does not see (`ProcSubset=pid` of systemd).
static STARTED_AT: LazyLock<f64> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));

/// Notes when this process started. Called when the metrics are made.
pub(super) fn note_start() {
    LazyLock::force(&STARTED_AT);
}

/// What the kernel knows of this process now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    /// Memory in use, in bytes.
    pub(super) resident: u64,
    /// Address space, in bytes.
    pub(super) address_space: u64,
    /// Processor time, in seconds.
    pub(super) cpu_seconds: f64,
    pub(super) threads: u64,
    /// Open file descriptors.
    pub(super) open_fds: u64,
    /// The limit of file descriptors, if there is a limit.
    pub(super) max_fds: Option<u64>,
    /// When the process started, in Unix seconds.
    pub(super) started_at: f64,
}

impl Process {
    /// Reads the present values; `None`: this system has no `/proc`.
    pub(super) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let (times, status) = (Times::of(&stat)?, fs::read_to_string("/proc/self/status").ok()?);
        Some(Self {
            resident: kilobytes(&status, "VmRSS:")?,
            address_space: kilobytes(&status, "VmSize:")?,
            cpu_seconds: times.cpu,
            threads: times.threads,
            // The folder itself is open while it is read.
            open_fds: (fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1),
            max_fds: getrlimit(Resource::Nofile).current,
            started_at: *STARTED_AT,
        })
    }
}

/// The times of `/proc/self/stat`, in seconds.
struct Times {
    cpu: f64,
    threads: u64,
}

impl Times {
    fn of(stat: &str) -> Option<Self> {
        // The name of the program may contain anything but ends at the last bracket. `fields` begins at field 3 of proc(5).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self { cpu: (number(14)? + number(15)?) as f64 / TICKS_PER_SECOND, threads: number(20)? })
    }
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 12 0 4200 99 3";
        let times = Times::of(stat).unwrap();
        assert_eq!((times.cpu, times.threads), (2.0, 12));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_descriptors_and_a_start() {
        let process = Process::read().unwrap();
        assert!(process.resident > 1024 * 1024 && process.address_space > process.resident, "{process:?}");
        assert!(process.open_fds > 2 && process.threads > 0, "{process:?}");
        assert!(process.started_at > 1_700_000_000.0, "{process:?}");
    }
}
