//! Memory, disk and descriptors of the processes, and whether they level off.
//!
//! One number judges each curve: its rise from the time when it must have levelled off until the end, along the median of
//! the slopes between all pairs of points (Theil and Sen). A peak or a few odd points do not move this line. Growth with
//! every message does.

use std::fmt;
use std::time::Duration;

const MIB: f64 = 1024.0;

/// Days of the fast clock until the database loses as many rows as it gets: it keeps one day, and deletes old rows every
/// quarter of a day.
const DAYS_TO_FILL: f64 = 3.0;

/// The share of a run after which memory must have levelled off,
const FIRST_TENTH: f64 = 0.1;

/// but not before so many seconds: caches and the sandbox's list of ten thousand requests fill by then.
const FILLED_SECONDS: f64 = 20.0;

/// One sample. Sizes are in KiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) at: Duration,
    /// Accepted messages so far.
    pub(super) accepted: u64,
    /// Events at the webhook so far.
    pub(super) told: u64,
    pub(super) gateway_kib: u64,
    pub(super) sandbox_kib: u64,
    pub(super) gateway_descriptors: u64,
    pub(super) sandbox_descriptors: u64,
    pub(super) database_kib: u64,
    pub(super) log_kib: u64,
}

/// A curve, and how much it may rise.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// The value of a sample, in this unit.
    pub(super) value: fn(&Sample) -> f64,
    /// Whether the curve depends on days of the fast clock, not only on the load.
    fills_by_days: bool,
    /// The curve may rise by this share of its median,
    share: f64,
    /// or by this much, whichever is more,
    at_least: f64,
    /// or by any amount below this value, for a curve with a limit of its own.
    free_below: f64,
}

/// The judged curves, in the order of the picture.
pub(super) const CURVES: [Curve; 6] = [
    Curve {
        name: "gateway, resident memory",
        unit: "MiB",
        value: |sample| sample.gateway_kib as f64 / MIB,
        fills_by_days: false,
        share: 0.05,
        at_least: 3.0,
        free_below: 0.0,
    },
    Curve {
        name: "sandbox, resident memory",
        unit: "MiB",
        value: |sample| sample.sandbox_kib as f64 / MIB,
        fills_by_days: false,
        share: 0.05,
        at_least: 3.0,
        free_below: 0.0,
    },
    Curve {
        name: "database",
        unit: "MiB",
        value: |sample| sample.database_kib as f64 / MIB,
        fills_by_days: true,
        share: 0.10,
        at_least: 4.0,
        free_below: 0.0,
    },
    Curve {
        name: "database's log",
        unit: "MiB",
        value: |sample| sample.log_kib as f64 / MIB,
        fills_by_days: false,
        share: 0.0,
        at_least: 0.0,
        // SQLite copies the log back every 16 MiB and cuts it to 64 MiB. Writes during the copying come on top.
        free_below: 96.0,
    },
    Curve {
        name: "gateway, descriptors",
        unit: "",
        value: |sample| sample.gateway_descriptors as f64,
        fills_by_days: false,
        share: 0.10,
        at_least: 6.0,
        free_below: 0.0,
    },
    Curve {
        name: "sandbox, descriptors",
        unit: "",
        value: |sample| sample.sandbox_descriptors as f64,
        fills_by_days: false,
        share: 0.10,
        at_least: 6.0,
        free_below: 0.0,
    },
];

/// All samples of a run.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) all: Vec<Sample>,
    pub(super) length: Duration,
    day: Duration,
}

/// The verdict about all curves.
pub(super) struct Verdict {
    pub(super) lines: Vec<Line>,
}

/// The verdict about one curve.
pub(super) struct Line {
    name: &'static str,
    unit: &'static str,
    median: f64,
    highest: f64,
    /// The rise along the line.
    rise: f64,
    may_rise: f64,
    free_below: f64,
    /// The line's ends: seconds and value.
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
}

impl Samples {
    pub(super) fn new(length: Duration, day: Duration) -> Self {
        Self { all: Vec::new(), length, day }
    }

    pub(super) fn add(&mut self, sample: Sample) {
        self.all.push(sample);
    }

    pub(super) fn last_in_words(&self) -> String {
        let Some(last) = self.all.last() else { return String::new() };
        let Sample { at, accepted, told, gateway_kib, sandbox_kib, database_kib, log_kib, .. } = last;
        format!(
            "after {:.0} s: {accepted} messages, {told} events told; gateway {} MiB, sandbox {} MiB, database {} MiB, \
             its log {} MiB",
            at.as_secs_f64(),
            gateway_kib / 1024,
            sandbox_kib / 1024,
            database_kib / 1024,
            log_kib / 1024,
        )
    }

    pub(super) fn verdict(&self) -> Verdict {
        let length = self.length.as_secs_f64();
        let filled = self.day.as_secs_f64() * DAYS_TO_FILL;
        let lines = CURVES.iter().map(|curve| {
            let memory_filled = (length * FIRST_TENTH).max(FILLED_SECONDS);
            let level_from = if curve.fills_by_days { filled } else { memory_filled };
            let points: Vec<_> =
                self.all.iter().map(|sample| (sample.at.as_secs_f64(), (curve.value)(sample))).collect();
            judge(curve, &points, level_from)
        });
        Verdict { lines: lines.collect() }
    }
}

fn judge(curve: &Curve, points: &[(f64, f64)], level_from: f64) -> Line {
    let highest = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let late: Vec<_> = points.iter().copied().filter(|(at, _)| *at >= level_from).collect();
    let slopes = late.iter().enumerate().flat_map(|(place, one)| {
        late[place + 1..].iter().map(move |other| (other.1 - one.1) / (other.0 - one.0))
    });
    let slope = middle(slopes.collect());
    // As many points are above the line as below it.
    let at_zero = middle(late.iter().map(|(at, value)| value - slope * at).collect());
    let (first, last) = (late.first().map_or(0.0, |point| point.0), late.last().map_or(0.0, |point| point.0));
    let median = middle(late.iter().map(|(_, value)| *value).collect());
    Line {
        name: curve.name,
        unit: curve.unit,
        median,
        highest,
        rise: slope * (last - first),
        may_rise: (median * curve.share).max(curve.at_least),
        free_below: curve.free_below,
        from: (first, at_zero + slope * first),
        to: (last, at_zero + slope * last),
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl Line {
    pub(super) fn levels_off(&self) -> bool {
        self.rise <= self.may_rise || self.highest < self.free_below
    }
}

impl Verdict {
    /// The curves that did not level off.
    pub(super) fn grows(&self) -> Vec<&'static str> {
        self.lines.iter().filter(|line| !line.levels_off()).map(|line| line.name).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<26} {:>9} {:>9} {:>9} {:>9}", "", "median", "highest", "rises by", "may by")?;
        for line in &self.lines {
            let Line { name, unit, median, highest, rise, may_rise, .. } = line;
            let says = if line.levels_off() { "" } else { "  GROWS" };
            writeln!(f, "{name:<26} {median:>9.1} {highest:>9.1} {rise:>9.2} {may_rise:>9.2} {unit}{says}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of 300 seconds with these MiB in the gateway's memory.
    fn run(memory: impl Fn(f64) -> f64) -> Verdict {
        let mut samples = Samples::new(Duration::from_secs(300), Duration::from_secs(25));
        for second in 1..=300 {
            samples.add(Sample {
                at: Duration::from_secs(second),
                accepted: 0,
                told: 0,
                gateway_kib: (memory(second as f64) * MIB) as u64,
                sandbox_kib: 1,
                gateway_descriptors: 40,
                sandbox_descriptors: 40,
                database_kib: 1,
                log_kib: 1,
            });
        }
        samples.verdict()
    }

    #[test]
    fn a_curve_that_fills_and_stays_levels_off_even_with_peaks() {
        let fills = |second: f64| 60.0 - 40.0 * (-second / 5.0).exp();
        assert!(run(fills).grows().is_empty());
        assert!(
            run(|second| if (second as u32).is_multiple_of(7) { 90.0 } else { fills(second) })
                .grows()
                .is_empty()
        );
        assert!(run(|second| 60.0 - second / 100.0).grows().is_empty(), "a falling curve counts as growing");
    }

    #[test]
    fn a_curve_with_a_limit_may_rise_below_the_limit() {
        let log = CURVES.iter().find(|curve| curve.name == "database's log").unwrap();
        let rises = |to: f64| judge(log, &[(10.0, 1.0), (20.0, to / 2.0), (30.0, to)], 0.0).levels_off();
        assert!(rises(90.0) && !rises(100.0));
    }

    #[test]
    fn a_small_leak_under_a_saw_is_found() {
        // 21 bytes a message at 6,000 messages a second are 36 MiB in five minutes. This leak is half as large.
        let leaks = |second: f64| 60.0 + second * 0.06 + f64::from(second as u32 % 10);
        assert_eq!(run(leaks).grows(), ["gateway, resident memory"]);
    }
}
