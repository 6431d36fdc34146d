//! The result, as a table and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::Args;
use crate::durable::Limit;

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    messages: u32,
    concurrency: u32,
    users: u32,
    seconds: f64,
    delivered_per_second: f64,
    cpu_seconds_per_thousand: f64,
    peak_memory_mib: f64,
    accept_p50_ms: f64,
    accept_p99_ms: f64,
    limit: Limit,
}

impl Report {
    pub(crate) fn new(
        args: &Args,
        took: Duration,
        cpu: Duration,
        peak_memory_kib: u64,
        sorted_latencies: &[Duration],
        limit: Limit,
    ) -> Self {
        let thousands = f64::from(args.messages) / 1_000.0;
        Self {
            messages: args.messages,
            concurrency: args.concurrency,
            users: args.users,
            seconds: took.as_secs_f64(),
            delivered_per_second: f64::from(args.messages) / took.as_secs_f64(),
            cpu_seconds_per_thousand: cpu.as_secs_f64() / thousands,
            peak_memory_mib: peak_memory_kib as f64 / 1_024.0,
            accept_p50_ms: percentile(sorted_latencies, 50),
            accept_p99_ms: percentile(sorted_latencies, 99),
            limit,
        }
    }
}

/// The smallest value that so many percent do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(f64::NAN, |value| value.as_secs_f64() * 1_000.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages to {} users, {} at once, {:.1} s\n",
            self.messages, self.users, self.concurrency, self.seconds
        )?;
        let mut row = |name: &str, value: f64, digits: usize| writeln!(f, "{name:<44} {value:>12.digits$}");
        row("delivered messages / s", self.delivered_per_second, 0)?;
        row("gateway: CPU seconds / 1,000 messages", self.cpu_seconds_per_thousand, 3)?;
        row("gateway: peak memory, MiB", self.peak_memory_mib, 1)?;
        row("accept latency, median, ms", self.accept_p50_ms, 2)?;
        row("accept latency, 99 %, ms", self.accept_p99_ms, 2)?;
        row("this machine: SQLite rows / s (64 a commit)", self.limit.rows_per_second, 0)?;
        write!(f, "{:<44} {:>12.0}", "this machine: fsyncs / s", self.limit.fsyncs_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert!((percentile(&sorted, 50) - 100.0).abs() < 1e-9);
        assert!((percentile(&sorted, 99) - 198.0).abs() < 1e-9);
        assert!((percentile(&sorted[..1], 99) - 1.0).abs() < 1e-9);
    }
}
