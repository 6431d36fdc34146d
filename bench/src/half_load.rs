//! How fast the gateway accepts below its limit: requests come at half of its peak rate, whether or not earlier requests
//! are answered.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::figures::{median, percentile_ms};
use crate::gateway::Gateway;
use crate::load::{Load, Requests};
use crate::trial::warm_up;
use crate::{contest, figures};

/// The results: medians of the rounds, but `accept_max_ms` is the maximum of all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct HalfLoad {
    pub(crate) requests_per_second: f64,
    pub(crate) accept_p50_ms: f64,
    pub(crate) accept_p99_ms: f64,
    pub(crate) accept_max_ms: f64,
    pub(crate) cpu_seconds_per_thousand: f64,
}

struct Round {
    latencies: Vec<Duration>,
    cpu_seconds_per_thousand: f64,
}

/// Runs all rounds. `peak_per_second` is the peak rate of the gateway; `None` measures it first.
pub(crate) async fn measure(bench: &Bench, peak_per_second: Option<f64>) -> Result<HalfLoad> {
    let peak_per_second = match peak_per_second {
        Some(peak) => peak,
        None => contest::round(bench, Part::Gateway).await?.delivered_per_second,
    };
    let rate = peak_per_second / 2.0;
    let mut rounds = Vec::new();
    for number in 1..=bench.rounds {
        say(&format!("{}, round {number} of {}", Part::HalfLoad.name(), bench.rounds));
        rounds.push(round(bench, rate).await?);
    }
    let of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let longest = rounds.iter().filter_map(|round| round.latencies.last()).max();
    Ok(HalfLoad {
        requests_per_second: rate,
        accept_p50_ms: of(&|round| percentile_ms(&round.latencies, 50)),
        accept_p99_ms: of(&|round| percentile_ms(&round.latencies, 99)),
        accept_max_ms: longest.map_or(f64::NAN, |longest| longest.as_secs_f64() * 1_000.0),
        cpu_seconds_per_thousand: of(&|round| round.cpu_seconds_per_thousand),
    })
}

async fn round(bench: &Bench, rate_per_second: f64) -> Result<Round> {
    let dir = bench.dir()?;
    let (warm_up, messages) = (warm_up(bench.messages), bench.messages);
    let gateway = Gateway::start(&bench.hongyan, dir.path(), &bench.sink.url).await?;
    gateway.grant(0..bench.users, (warm_up + messages).div_ceil(bench.users)).await?;
    let requests = Requests::Messages { users: bench.users, batch: 1, accepted: StatusCode::ACCEPTED };
    let already = bench.sink.count();
    let load = Load { target: gateway.target.clone(), connections: bench.connections, requests };
    load.send(0, warm_up).await?;
    bench.sink.delivered(already + warm_up).await?;

    let before = gateway.process.usage()?;
    let mut latencies = load.send_at(rate_per_second, warm_up, messages).await?;
    bench.sink.delivered(already + warm_up + messages).await?;
    let cpu = gateway.process.usage()?.cpu.saturating_sub(before.cpu);
    gateway.stop().await?;
    latencies.sort_unstable();
    Ok(Round { latencies, cpu_seconds_per_thousand: figures::per_thousand(cpu, messages) })
}
