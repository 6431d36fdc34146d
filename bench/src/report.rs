//! The result, as tables and as JSON.

use std::fmt;

use serde::Serialize;

use crate::bench::Bench;
use crate::contest::{Outcome, Row};
use crate::durable::Limit;

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    messages: u32,
    connections: u32,
    users: u32,
    rounds: u32,
    limit: Limit,
    contest: Vec<Row>,
}

/// The row that all others are compared with.
const YARDSTICK: &str = "forwarder";

impl Report {
    pub(crate) fn new(bench: &Bench, limit: Limit, contest: Vec<Row>) -> Self {
        Self {
            messages: bench.messages,
            connections: bench.connections,
            users: bench.users,
            rounds: bench.rounds,
            limit,
            contest,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages to {} users over {} connections; medians of {} rounds; × is to {YARDSTICK}\n",
            self.messages, self.users, self.connections, self.rounds
        )?;
        writeln!(
            f,
            "{:<14} {:>11} {:>7} {:>11} {:>7} {:>9} {:>10} {:>10}",
            "", "delivered/s", "×", "CPU s/1,000", "×", "peak MiB", "accept p50", "p99, ms"
        )?;
        let yardstick = self.contest.iter().find_map(|row| match &row.outcome {
            Outcome::Measured(figures) if row.name == YARDSTICK => Some(figures),
            _ => None,
        });
        for row in &self.contest {
            let figures = match &row.outcome {
                Outcome::Measured(figures) => figures,
                Outcome::NotMeasured(why) => {
                    writeln!(f, "{:<14} not measured: {why}", row.name)?;
                    continue;
                }
            };
            let ratio =
                |value: f64, to: Option<f64>| to.map_or(String::new(), |to| format!("{:.2}", value / to));
            writeln!(
                f,
                "{:<14} {:>11.0} {:>7} {:>11.4} {:>7} {:>9.1} {:>10.2} {:>10.2}",
                row.name,
                figures.delivered_per_second,
                ratio(figures.delivered_per_second, yardstick.map(|figures| figures.delivered_per_second)),
                figures.cpu_seconds_per_thousand,
                ratio(
                    figures.cpu_seconds_per_thousand,
                    yardstick.map(|figures| figures.cpu_seconds_per_thousand)
                ),
                figures.peak_memory_mib,
                figures.accept_p50_ms,
                figures.accept_p99_ms,
            )?;
        }
        write!(
            f,
            "\nthis machine: {:.0} SQLite rows/s, 64 a commit; {:.0} fsyncs/s",
            self.limit.rows_per_second, self.limit.fsyncs_per_second
        )
    }
}
