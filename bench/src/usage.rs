//! CPU time, memory and file descriptors of processes, from Linux's `/proc`.

use std::time::Duration;

use crate::Result;

/// `/proc` counts CPU time in ticks. There are 100 ticks a second on every machine (`USER_HZ`).
const TICKS_PER_SECOND: u32 = 100;

/// The usage of a process since its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// CPU time of all threads, in user space and in the kernel.
    pub(crate) cpu: Duration,
    /// The highest resident memory since the start, or since [`forget_peak`].
    pub(crate) peak_memory_kib: u64,
}

impl Usage {
    /// Reads the usage of this process.
    pub(crate) fn of(id: u32) -> Result<Self> {
        let stat = read(id, "stat")?;
        let cpu = cpu(&stat).ok_or_else(|| format!("/proc/{id}/stat has an unknown format: {stat}"))?;
        let status = read(id, "status")?;
        let peak = kib(&status, "VmHWM:").ok_or_else(|| format!("/proc/{id}/status has no VmHWM"))?;
        Ok(Self { cpu, peak_memory_kib: peak })
    }
}

/// The resident memory of a process now.
pub(crate) fn memory_kib(id: u32) -> Result<u64> {
    kib(&read(id, "status")?, "VmRSS:").ok_or_else(|| format!("/proc/{id}/status has no VmRSS"))
}

/// The number of open file descriptors of a process.
pub(crate) fn descriptors(id: u32) -> Result<u64> {
    let path = format!("/proc/{id}/fd");
    let open = std::fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
    Ok(open.count() as u64)
}

/// Resets the peak of the memory to the present value (proc(5): 5 in `clear_refs`).
pub(crate) fn forget_peak(id: u32) -> Result {
    let path = format!("/proc/{id}/clear_refs");
    std::fs::write(&path, "5").map_err(|error| format!("{path}: {error}"))
}

fn read(id: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{id}/{file}");
    std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; this measurement needs Linux"))
}

/// The sum of utime and stime, fields 14 and 15 (proc(5)). Fields are counted from the end of the name, because the name may
/// have spaces and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let ticks: u32 = fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?;
    Some(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
}

fn kib(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_brackets() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 1 0 7";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
    }

    #[test]
    fn peak_memory_is_found() {
        assert_eq!(kib("Name:\tx\nVmHWM:\t   12345 kB\n", "VmHWM:"), Some(12345));
    }

    #[test]
    fn a_peak_can_be_forgotten() {
        let id = std::process::id();
        let held = vec![1_u8; 64 << 20];
        assert!(memory_kib(id).unwrap() > 64 << 10, "64 MiB are not counted");
        let with = Usage::of(id).unwrap().peak_memory_kib;
        drop(held);
        forget_peak(id).unwrap();
        // Other tests of this process allocate at the same time, but far less.
        let without = Usage::of(id).unwrap().peak_memory_kib;
        assert!(without + (32 << 10) < with, "{without} KiB after, {with} KiB before");
    }
}
