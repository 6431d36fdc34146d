//! How fast the gateway answers WeChat's pushes. A thousand pushes come per second, whether or not earlier pushes are
//! answered. In each push a user has accepted a template: the gateway stores the event and then grants a permit, while the
//! next pushes come.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::figures::{median, per_thousand, percentile_ms};
use crate::gateway::Gateway;
use crate::load::{Load, Requests};
use crate::message::APPID;

/// The token that signs the pushes.
const TOKEN: &str = "benchtoken";

/// As many as a mini program with millions of users may get on its busiest day.
const PER_SECOND: f64 = 1_000.0;

/// Pushes of a round.
const PUSHES: u32 = 20_000;

/// The results: medians of the rounds, but `answer_max_ms` is the maximum of all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Callbacks {
    pub(crate) pushes_per_second: f64,
    pub(crate) answer_p50_ms: f64,
    pub(crate) answer_p99_ms: f64,
    pub(crate) answer_max_ms: f64,
    pub(crate) cpu_seconds_per_thousand: f64,
}

/// Runs all rounds.
pub(crate) async fn measure(bench: &Bench) -> Result<Callbacks> {
    let mut rounds = Vec::new();
    for number in 1..=bench.rounds {
        say(&format!("{}, round {number} of {}", Part::Callbacks.name(), bench.rounds));
        rounds.push(round(bench).await?);
    }
    let of = |figure: fn(&Callbacks) -> f64| median(rounds.iter().map(figure).collect());
    Ok(Callbacks {
        pushes_per_second: PER_SECOND,
        answer_p50_ms: of(|round| round.answer_p50_ms),
        answer_p99_ms: of(|round| round.answer_p99_ms),
        answer_max_ms: rounds.iter().map(|round| round.answer_max_ms).fold(0.0, f64::max),
        cpu_seconds_per_thousand: of(|round| round.cpu_seconds_per_thousand),
    })
}

async fn round(bench: &Bench) -> Result<Callbacks> {
    let dir = bench.dir()?;
    let gateway = Gateway::start(&bench.hongyan, dir.path(), &bench.sink.url).await?;
    let mut connection = gateway.target.connect().await?;
    let settings = json!({ "callback": { "token": TOKEN } }).to_string();
    connection.patch(&format!("/v1/apps/{APPID}"), settings.into(), StatusCode::OK).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let requests = Requests::Pushes { token: TOKEN.into(), timestamp: now };
    let load = Load { target: gateway.target.clone(), connections: bench.connections, requests };
    let warm_up = PUSHES / 10;
    load.send_at(PER_SECOND, 0, warm_up).await?;
    let before = gateway.process.usage()?;
    let mut latencies: Vec<Duration> = load.send_at(PER_SECOND, warm_up, PUSHES).await?;
    let cpu = gateway.process.usage()?.cpu.saturating_sub(before.cpu);
    gateway.stop().await?;
    latencies.sort_unstable();
    Ok(Callbacks {
        pushes_per_second: PER_SECOND,
        answer_p50_ms: percentile_ms(&latencies, 50),
        answer_p99_ms: percentile_ms(&latencies, 99),
        answer_max_ms: percentile_ms(&latencies, 100),
        cpu_seconds_per_thousand: per_thousand(cpu, PUSHES),
    })
}
