//! What processes have used, as Linux counts it in `/proc`.

use std::time::Duration;

use crate::Result;

/// `/proc` counts CPU time in these; Linux shows programs 100 a second on every machine (`USER_HZ`).
const TICKS_PER_SECOND: u32 = 100;

/// What a process has used since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// CPU time of all its threads, in it and in the kernel for it.
    pub(crate) cpu: Duration,
    /// The most memory that it held since its start, or since [`forget_peak`].
    pub(crate) peak_memory_kib: u64,
}

impl Usage {
    /// Of this process.
    pub(crate) fn of(id: u32) -> Result<Self> {
        let stat = read(id, "stat")?;
        let cpu = cpu(&stat).ok_or_else(|| format!("/proc/{id}/stat looks unlike itself: {stat}"))?;
        let status = read(id, "status")?;
        let peak = kib(&status, "VmHWM:").ok_or_else(|| format!("/proc/{id}/status has no VmHWM"))?;
        Ok(Self { cpu, peak_memory_kib: peak })
    }
}

/// How much memory a process holds now.
pub(crate) fn memory_kib(id: u32) -> Result<u64> {
    kib(&read(id, "status")?, "VmRSS:").ok_or_else(|| format!("/proc/{id}/status has no VmRSS"))
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(id: u32) -> Result<u64> {
    let path = format!("/proc/{id}/fd");
    let open = std::fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
    Ok(open.count() as u64)
}

/// Lets the peak begin anew at what the process holds now (proc(5): 5 in `clear_refs`).
pub(crate) fn forget_peak(id: u32) -> Result {
    let path = format!("/proc/{id}/clear_refs");
    std::fs::write(&path, "5").map_err(|error| format!("{path}: {error}"))
}

fn read(id: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{id}/{file}");
    std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; this measurement needs Linux"))
}

/// utime and stime: fields 14 and 15 (proc(5)), counted behind the name, which may hold spaces and brackets.
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
        assert!(memory_kib(id).unwrap() > 64 << 10, "what is held is not counted");
        let with = Usage::of(id).unwrap().peak_memory_kib;
        drop(held);
        forget_peak(id).unwrap();
        // The other tests of this process allocate at the same time, but by far less than this.
        let without = Usage::of(id).unwrap().peak_memory_kib;
        assert!(without + (32 << 10) < with, "{without} KiB after, {with} KiB before");
    }
}
