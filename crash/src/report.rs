//! The report, as a table and as JSON.

use std::fmt;
use std::time::Duration;

use hongyan_failpoints as points;
use serde::Serialize;

use crate::check::{Verdict, Violation};
use crate::run::Outcome;

/// The results of one fail point.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The fail point. The first row has the deaths at random moments.
    point: &'static str,
    rounds: u32,
    /// Rounds in which the gateway died at the fail point.
    reached: u32,
    messages: u64,
    sent: u64,
    unknown: u64,
    resent: u64,
    lost: u64,
    doubled: u64,
    asleep: u64,
    wrong: u64,
}

/// The report of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    seed: u64,
    seconds: f64,
    rows: Vec<Row>,
}

impl Row {
    const fn new(point: &'static str) -> Self {
        Self {
            point,
            rounds: 0,
            reached: 0,
            messages: 0,
            sent: 0,
            unknown: 0,
            resent: 0,
            lost: 0,
            doubled: 0,
            asleep: 0,
            wrong: 0,
        }
    }

    fn add(&mut self, reached: bool, verdict: &Verdict) {
        self.rounds += 1;
        self.reached += u32::from(reached);
        self.messages += verdict.messages;
        self.sent += verdict.sent;
        self.unknown += verdict.unknown;
        self.resent += verdict.resent;
        for violation in &verdict.violations {
            match violation {
                Violation::Lost(_) => self.lost += 1,
                Violation::Doubled(_) => self.doubled += 1,
                Violation::Asleep(_) => self.asleep += 1,
                Violation::Wrong(_) => self.wrong += 1,
            }
        }
    }
}

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        let points = points::ALL.iter().map(|point| Row::new(point.name));
        Self { seed, seconds: 0.0, rows: std::iter::once(Row::new("any moment")).chain(points).collect() }
    }

    pub(crate) fn add(&mut self, outcome: &Outcome) {
        let name = outcome.point.map_or(self.rows[0].point, |point| point.name);
        let row = self.rows.iter_mut().find(|row| row.point == name).expect("every point has a row");
        row.add(outcome.reached, &outcome.verdict);
    }

    pub(crate) fn took(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
    }

    /// Fail points that were armed and never reached. The run proves nothing about them.
    pub(crate) fn never_reached(&self) -> Vec<&'static str> {
        self.rows.iter().filter(|row| row.rounds > 2 && row.reached == 0).map(|row| row.point).collect()
    }

    /// As one line for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut report = serde_json::json!(self);
        report["total"] = serde_json::json!(self.total());
        report
    }

    fn total(&self) -> Row {
        let mut total = Row::new("all");
        for row in &self.rows {
            total.rounds += row.rounds;
            total.reached += row.reached;
            total.messages += row.messages;
            total.sent += row.sent;
            total.unknown += row.unknown;
            total.resent += row.resent;
            total.lost += row.lost;
            total.doubled += row.doubled;
            total.asleep += row.asleep;
            total.wrong += row.wrong;
        }
        total
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>6} {:>7} {:>8} {:>8} {:>7} {:>6} {:>5} {:>7} {:>6} {:>5}",
            "died at",
            "rounds",
            "reached",
            "messages",
            "sent",
            "unknown",
            "resent",
            "lost",
            "doubled",
            "asleep",
            "wrong"
        )?;
        for row in self.rows.iter().filter(|row| row.rounds > 0).chain([&self.total()]) {
            let Row { point, rounds, reached, messages, sent, unknown, resent, lost, doubled, asleep, wrong } =
                row;
            writeln!(
                f,
                "{point:<24} {rounds:>6} {reached:>7} {messages:>8} {sent:>8} {unknown:>7} {resent:>6} {lost:>5} \
                 {doubled:>7} {asleep:>6} {wrong:>5}"
            )?;
        }
        write!(f, "seed {}, {:.0} s", self.seed, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pages_show_every_point_in_order() {
        let pages =
            [include_str!("../../docs/reliability.md"), include_str!("../../docs/reliability.zh-CN.md")];
        for page in pages {
            let shown: Vec<&str> = page
                .lines()
                .filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(name, _)| name))
                .filter(|name| points::ALL.iter().any(|point| point.name == *name))
                .collect();
            let all: Vec<&str> = points::ALL.iter().map(|point| point.name).collect();
            assert_eq!(shown, all);
        }
    }
}
