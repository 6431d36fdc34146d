//! The same messages through different programs, one after the other, in rounds: what each delivers, and what that
//! costs.
//!
//! In every round each contestant starts on nothing and is warmed up with a tenth of the messages. What is measured
//! then is from the first request until the sink has all messages.

mod contestant;

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Result;
use crate::bench::{Bench, Part};
use crate::figures::{median, mib, per_thousand, percentile_ms};
use crate::load::Load;
use crate::usage::Usage;
use contestant::Running;

/// A contestant's figures.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// Whether it could be measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Medians of all rounds.
    Measured(Figures),
    /// Why not.
    NotMeasured(String),
}

/// What one contestant did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) delivered_per_second: f64,
    pub(crate) cpu_seconds_per_thousand: f64,
    pub(crate) peak_memory_mib: f64,
    pub(crate) accept_p50_ms: f64,
    pub(crate) accept_p99_ms: f64,
    /// The processes that make up the sums.
    pub(crate) processes: Vec<Share>,
}

/// What one of a contestant's processes used.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Share {
    pub(crate) name: String,
    pub(crate) cpu_seconds_per_thousand: f64,
    pub(crate) peak_memory_mib: f64,
}

/// Measures these, in interleaved rounds.
pub(crate) async fn measure(bench: &Bench, parts: &[Part]) -> Result<Vec<Row>> {
    let mut rounds: Vec<(Part, Vec<Figures>)> = parts.iter().map(|&part| (part, Vec::new())).collect();
    for number in 1..=bench.rounds {
        for (part, figures) in &mut rounds {
            bench.say(&format!("round {number} of {}: {}", bench.rounds, part.name()));
            figures.push(round(bench, *part).await.map_err(|why| format!("{}: {why}", part.name()))?);
        }
    }
    Ok(rounds
        .into_iter()
        .map(|(part, figures)| Row { name: part.name(), outcome: Outcome::Measured(medians(&figures)) })
        .collect())
}

async fn round(bench: &Bench, part: Part) -> Result<Figures> {
    let dir = bench.dir()?;
    let (users, messages) = (bench.users, bench.messages);
    // Caches, connections and the database's pages are warm then.
    let warm_up = messages / 10;
    let running = Running::start(bench, part, dir.path(), users, warm_up + messages).await?;
    let load =
        Load { target: running.target.clone(), connections: bench.connections, users, batch: running.batch };
    let already = bench.sink.count();
    load.send(0, warm_up).await?;
    bench.sink.delivered(already + warm_up).await?;
    for process in &running.processes {
        process.forget_peak()?;
    }

    let before = usages(&running)?;
    let begin = Instant::now();
    let mut latencies = load.send(warm_up, messages).await?;
    bench.sink.delivered(already + warm_up + messages).await?;
    let took = begin.elapsed();
    let after = usages(&running)?;

    let names: Vec<String> = running.processes.iter().map(ToString::to_string).collect();
    running.stop(warm_up + messages).await?;
    let delivered = bench.sink.count() - already;
    if delivered != warm_up + messages {
        return Err(format!("{} messages were accepted, {delivered} delivered", warm_up + messages));
    }
    latencies.sort_unstable();
    let shares: Vec<Share> = names
        .into_iter()
        .zip(before.iter().zip(&after))
        .map(|(name, (before, after))| share(name, before, after, messages))
        .collect();
    Ok(figures(took, &latencies, shares, messages))
}

fn usages(running: &Running) -> Result<Vec<Usage>> {
    running.processes.iter().map(crate::process::Process::usage).collect()
}

fn share(name: String, before: &Usage, after: &Usage, messages: u32) -> Share {
    Share {
        name,
        cpu_seconds_per_thousand: per_thousand(after.cpu.saturating_sub(before.cpu), messages),
        peak_memory_mib: mib(after.peak_memory_kib),
    }
}

fn figures(took: Duration, sorted_latencies: &[Duration], shares: Vec<Share>, messages: u32) -> Figures {
    Figures {
        delivered_per_second: f64::from(messages) / took.as_secs_f64(),
        cpu_seconds_per_thousand: shares.iter().map(|share| share.cpu_seconds_per_thousand).sum(),
        peak_memory_mib: shares.iter().map(|share| share.peak_memory_mib).sum(),
        accept_p50_ms: percentile_ms(sorted_latencies, 50),
        accept_p99_ms: percentile_ms(sorted_latencies, 99),
        processes: shares,
    }
}

/// The median of each figure over all rounds.
fn medians(rounds: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
    let processes = rounds.first().map_or(0, |round| round.processes.len());
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
    Figures {
        delivered_per_second: of(|round| round.delivered_per_second),
        cpu_seconds_per_thousand: of(|round| round.cpu_seconds_per_thousand),
        peak_memory_mib: of(|round| round.peak_memory_mib),
        accept_p50_ms: of(|round| round.accept_p50_ms),
        accept_p99_ms: of(|round| round.accept_p99_ms),
        processes: (0..processes).map(share).collect(),
    }
}
