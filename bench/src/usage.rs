//! What a process has used, as Linux counts it in `/proc`.

use std::time::Duration;

use crate::Result;

/// `/proc` counts CPU time in these; Linux shows programs 100 a second on every machine (`USER_HZ`).
const TICKS_PER_SECOND: u32 = 100;

/// What a process has used since it started.
pub(crate) struct Usage {
    /// CPU time, in it and in the kernel for it.
    pub(crate) cpu: Duration,
    /// The most memory that it ever held.
    pub(crate) peak_memory_kib: u64,
}

impl Usage {
    /// Of this process.
    pub(crate) fn of(id: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{id}/{file}");
            std::fs::read_to_string(&path)
                .map_err(|error| format!("{path}: {error}; this measurement needs Linux"))
        };
        let stat = read("stat")?;
        let cpu = cpu(&stat).ok_or_else(|| format!("/proc/{id}/stat looks unlike itself: {stat}"))?;
        let status = read("status")?;
        let peak = peak(&status).ok_or_else(|| format!("/proc/{id}/status has no VmHWM"))?;
        Ok(Self { cpu, peak_memory_kib: peak })
    }
}

/// utime and stime: fields 14 and 15 (proc(5)), counted behind the name, which may hold spaces and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let ticks: u32 = fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?;
    Some(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
}

fn peak(status: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .ok()
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
        assert_eq!(peak("Name:\tx\nVmHWM:\t   12345 kB\n"), Some(12345));
    }
}
