//! The effect of many scheduled messages on the start, on memory, and on how punctually a message is sent.

use std::path::Path;
use std::time::{Duration, Instant};

use hongyan_clock::{Clock, UnixMillis};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::figures::{median, mib, percentile_ms};
use crate::fill::{Kind, index_bytes};
use crate::gateway::{Gateway, MESSAGES_PATH, database};
use crate::history::{Filled, to_users};
use crate::message::{to, user};
use crate::sink::Arrival;
use crate::trial::{self, Figures, Reaches};

/// Messages of the measurement of punctuality.
const PUNCTUAL: u32 = 300;

/// From the first request until the first message is due. All messages must be accepted by then.
const LEAD: Duration = Duration::from_secs(3);

/// From one due time to the next. It does not divide a second, so the due times fall on all parts of a second.
const STEP: Duration = Duration::from_millis(31);

/// The results.
#[derive(Debug, Serialize)]
pub(crate) struct Scheduled {
    pub(crate) stored_messages: u32,
    pub(crate) database_mib: f64,
    /// Size of the index of due messages.
    pub(crate) due_index_mib: f64,
    /// From the start until the gateway is ready.
    pub(crate) start_seconds: f64,
    /// Resident memory when the gateway is ready.
    pub(crate) memory_at_start_mib: f64,
    /// Resident memory after the load.
    pub(crate) memory_after_load_mib: f64,
    /// The load after the last start.
    pub(crate) load: Figures,
    /// How long after its due time a message's request reached WeChat, while the gateway was otherwise idle.
    pub(crate) lag_p50_ms: f64,
    pub(crate) lag_p99_ms: f64,
    pub(crate) lag_max_ms: f64,
}

/// Runs all measurements.
pub(crate) async fn measure(bench: &Bench) -> Result<Scheduled> {
    let filled = Filled::make(bench, bench.history, Kind::Scheduled).await?;
    let dir = filled.dir.path();
    let (mut starts, mut memory_kib) = (Vec::new(), Vec::new());
    for number in 1..=bench.rounds {
        say(&format!("{}, start {number} of {}", Part::Scheduled.name(), bench.rounds));
        let gateway = Gateway::restart(&bench.hongyan, dir, &bench.sink.url).await?;
        starts.push(gateway.ready_after.as_secs_f64());
        memory_kib.push(gateway.process.memory_kib()? as f64);
        gateway.stop().await?;
    }
    let gateway = Gateway::restart(&bench.hongyan, dir, &bench.sink.url).await?;
    let load = to_users(bench, &gateway, filled.users);
    let figures = trial::measure(bench, &load, &[&gateway.process], 0, Reaches::Message).await?;
    let after_load_kib = gateway.process.memory_kib()?;
    say("scheduled, punctuality");
    let lags = lags(bench, &gateway).await?;
    gateway.stop().await?;
    Ok(Scheduled {
        stored_messages: bench.history,
        database_mib: filled.database_mib,
        due_index_mib: due_index_mib(dir).await?,
        start_seconds: median(starts),
        memory_at_start_mib: median(memory_kib) / 1_024.0,
        memory_after_load_mib: mib(after_load_kib),
        load: figures,
        lag_p50_ms: percentile_ms(&lags, 50),
        lag_p99_ms: percentile_ms(&lags, 99),
        lag_max_ms: percentile_ms(&lags, 100),
    })
}

async fn due_index_mib(dir: &Path) -> Result<f64> {
    let path = database(dir);
    let looking = tokio::task::spawn_blocking(move || index_bytes(&path, "messages_due")).await;
    let bytes = looking.map_err(|error| format!("reading the size of the index panicked: {error}"))??;
    Ok(bytes as f64 / f64::from(1 << 20))
}

/// The resolution of the time of day: two clocks that are read together differ by less than this.
const CLOCK_STEP: Duration = Duration::from_millis(1);

/// Schedules messages for the next seconds, each to another user. Returns how late each message was sent, sorted.
async fn lags(bench: &Bench, gateway: &Gateway) -> Result<Vec<Duration>> {
    let mut connection = gateway.target.connect().await?;
    bench.sink.record();
    let already = bench.sink.count();
    let clock = Clock::system();
    // Two clocks, read together: the gateway uses the time of day, and arrivals use a monotonic clock.
    let (day, steady) = (clock.now(), Instant::now());
    let moment = |number: u32| day.plus(LEAD + STEP * number);
    for number in 0..PUNCTUAL {
        let mut message = to(number);
        message["send_at"] = moment(number).to_string().into();
        let body = message.to_string().into();
        connection.post(MESSAGES_PATH, body, StatusCode::ACCEPTED).await?;
    }
    if clock.now() >= moment(0) {
        return Err(format!("{PUNCTUAL} messages were not accepted within {LEAD:?}"));
    }
    bench.sink.delivered(already + PUNCTUAL).await?;
    let arrivals = bench.sink.recorded();
    let mut lags =
        arrivals.iter().map(|arrival| lag(arrival, steady, day, moment)).collect::<Result<Vec<_>>>()?;
    lags.sort_unstable();
    Ok(lags)
}

/// How long after the due time of its message an arrival was.
fn lag(
    arrival: &Arrival,
    steady: Instant,
    day: UnixMillis,
    moment: impl Fn(u32) -> UnixMillis,
) -> Result<Duration> {
    #[derive(Deserialize)]
    struct Sent {
        touser: String,
    }
    let sent: Sent = serde_json::from_slice(&arrival.body).map_err(|error| error.to_string())?;
    let number = (0..PUNCTUAL).find(|&number| user(number) == sent.touser);
    let number =
        number.ok_or_else(|| format!("a message to {} arrived, which was not scheduled", sent.touser))?;
    let after_start = arrival.at.saturating_duration_since(steady);
    let due_after_start = moment(number).since(day);
    if after_start + CLOCK_STEP < due_after_start {
        return Err(format!("the message to {} was sent before its time", sent.touser));
    }
    Ok(after_start.saturating_sub(due_after_start))
}
