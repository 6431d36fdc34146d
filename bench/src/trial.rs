//! One measurement: a warm-up, then the load, then its cost.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Result;
use crate::bench::{Bench, say};
use crate::figures::{median, mib, per_thousand, percentile_ms};
use crate::load::Load;
use crate::process::Process;
use crate::usage::Usage;

/// The results.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// Counted from the first request until the sink has all messages.
    pub(crate) delivered_per_second: f64,
    pub(crate) cpu_seconds_per_thousand: f64,
    pub(crate) peak_memory_mib: f64,
    pub(crate) accept_p50_ms: f64,
    pub(crate) accept_p99_ms: f64,
    /// The processes whose CPU and memory are summed up.
    pub(crate) processes: Vec<Share>,
}

/// The CPU and memory of one process.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Share {
    pub(crate) name: String,
    pub(crate) cpu_seconds_per_thousand: f64,
    pub(crate) peak_memory_mib: f64,
}

/// What the sink gets for each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaches {
    /// Nothing: the measured program answers like WeChat itself.
    Nothing,
    /// The message.
    Message,
    /// The message, and then the event `message.sent`.
    MessageAndEvent,
}

/// The number of messages before the measured messages: they warm up caches, connections and the pages of the database. In
/// its first half second the gateway sends each message on a new connection, until it has seen that WeChat keeps connections.
/// The warm-up of a real measurement takes longer than that.
pub(crate) const fn warm_up(messages: u32) -> u32 {
    let tenth = messages / 10;
    if messages >= A_MEASUREMENT && tenth < HALF_A_SECOND { HALF_A_SECOND } else { tenth }
}

/// A run with fewer messages only tries whether everything works.
const A_MEASUREMENT: u32 = 10_000;

/// More messages than the gateway sends in half a second.
const HALF_A_SECOND: u32 = 15_000;

/// Sends the warm-up and the measured messages, numbered from `first`. [`Bench::messages`] messages are measured. Events may
/// arrive later than the messages; their CPU counts, too.
pub(crate) async fn measure(
    bench: &Bench,
    load: &Load,
    processes: &[&Process],
    first: u32,
    reaches: Reaches,
) -> Result<Figures> {
    let (warm_up, messages) = (warm_up(bench.messages), bench.messages);
    let (already, already_told) = (bench.sink.count(), bench.sink.told());
    let delivered = |count: u32| async move {
        if reaches == Reaches::Nothing { Ok(()) } else { bench.sink.delivered(already + count).await }
    };
    let told = |count: u32| async move {
        if reaches == Reaches::MessageAndEvent {
            bench.sink.all_told(already_told + count).await
        } else {
            Ok(())
        }
    };
    load.send(first, warm_up).await?;
    delivered(warm_up).await?;
    told(warm_up).await?;
    for process in processes {
        process.forget_peak()?;
    }

    let before = usages(processes)?;
    let begin = Instant::now();
    let mut latencies = load.send(first + warm_up, messages).await?;
    delivered(warm_up + messages).await?;
    let took = begin.elapsed();
    told(warm_up + messages).await?;
    if reaches == Reaches::MessageAndEvent {
        say(&format!(
            "the last event came {:.0} ms after the last message",
            begin.elapsed().saturating_sub(took).as_secs_f64() * 1e3
        ));
    }
    let after = usages(processes)?;

    latencies.sort_unstable();
    let shares = processes.iter().zip(before.iter().zip(&after)).map(|(process, (before, after))| Share {
        name: process.to_string(),
        cpu_seconds_per_thousand: per_thousand(after.cpu.saturating_sub(before.cpu), messages),
        peak_memory_mib: mib(after.peak_memory_kib),
    });
    Ok(Figures::new(took, messages, &latencies, shares.collect()))
}

fn usages(processes: &[&Process]) -> Result<Vec<Usage>> {
    processes.iter().map(|process| process.usage()).collect()
}

impl Figures {
    fn new(took: Duration, messages: u32, sorted_latencies: &[Duration], shares: Vec<Share>) -> Self {
        Self {
            delivered_per_second: f64::from(messages) / took.as_secs_f64(),
            cpu_seconds_per_thousand: shares.iter().map(|share| share.cpu_seconds_per_thousand).sum(),
            peak_memory_mib: shares.iter().map(|share| share.peak_memory_mib).sum(),
            accept_p50_ms: percentile_ms(sorted_latencies, 50),
            accept_p99_ms: percentile_ms(sorted_latencies, 99),
            processes: shares,
        }
    }

    /// The median of each figure over all rounds.
    pub(crate) fn medians(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        let share = |place: usize| {
            let of = |figure: fn(&Share) -> f64| {
                median(rounds.iter().map(|round| figure(&round.processes[place])).collect())
            };
            Share {
                name: rounds[0].processes[place].name.clone(),
                cpu_seconds_per_thousand: of(|share| share.cpu_seconds_per_thousand),
                peak_memory_mib: of(|share| share.peak_memory_mib),
            }
        };
        let processes = rounds.first().map_or(0, |round| round.processes.len());
        Self {
            delivered_per_second: of(|round| round.delivered_per_second),
            cpu_seconds_per_thousand: of(|round| round.cpu_seconds_per_thousand),
            peak_memory_mib: of(|round| round.peak_memory_mib),
            accept_p50_ms: of(|round| round.accept_p50_ms),
            accept_p99_ms: of(|round| round.accept_p99_ms),
            processes: (0..processes).map(share).collect(),
        }
    }
}
