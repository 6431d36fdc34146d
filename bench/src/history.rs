//! What a message costs with few stored messages and with many: the same load on both, each message to another user of
//! all that there are, so that nothing is near what was touched just before.

use std::path::Path;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde::Serialize;
use tempfile::TempDir;

use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::figures::median;
use crate::fill::{Fill, Kind, fill};
use crate::gateway::{Gateway, database};
use crate::load::{Load, Requests};
use crate::trial::{self, Figures, warm_up};

/// How many stored messages are few.
const FEW: u32 = 10_000;

/// How many messages a user has got, where there are many.
const MESSAGES_PER_USER: u32 = 10;

/// With few, and with many.
#[derive(Debug, Serialize)]
pub(crate) struct History {
    pub(crate) few: Level,
    pub(crate) many: Level,
}

/// What came out with so many stored messages.
#[derive(Debug, Serialize)]
pub(crate) struct Level {
    pub(crate) stored_messages: u32,
    pub(crate) users: u32,
    pub(crate) database_mib: f64,
    /// Until the gateway says that it is ready.
    pub(crate) start_seconds: f64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// A database with so many messages in it.
pub(crate) struct Filled {
    pub(crate) dir: TempDir,
    pub(crate) users: u32,
    pub(crate) database_mib: f64,
}

impl Filled {
    /// Makes it: the gateway sets it up, and is stopped while it is filled.
    pub(crate) async fn make(bench: &Bench, messages: u32, kind: Kind) -> Result<Self> {
        let dir = bench.dir()?;
        Gateway::start(&bench.hongyan, dir.path(), &bench.sink.url).await?.stop().await?;
        let loaded = warm_up(bench.messages) + bench.messages;
        let users = loaded.max(messages / MESSAGES_PER_USER);
        // In each round every user may get a message, and one more afterwards.
        let what = Fill { messages, users, units_left: bench.rounds + 1, kind };
        let path = database(dir.path());
        let begin = Instant::now();
        let filling = tokio::task::spawn_blocking(move || fill(&path, what)).await;
        let bytes = filling.map_err(|error| format!("filling broke: {error}"))??;
        say(&format!("{messages} messages filled in, {:.0} s", begin.elapsed().as_secs_f64()));
        Ok(Self { dir, users, database_mib: bytes as f64 / f64::from(1 << 20) })
    }
}

/// Measures both, in turn.
pub(crate) async fn measure(bench: &Bench) -> Result<History> {
    let many = Filled::make(bench, bench.history, Kind::Sent).await?;
    let (mut few_rounds, mut many_rounds) = (Vec::new(), Vec::new());
    let mut few = None;
    for number in 0..bench.rounds {
        say(&format!("{}, round {} of {}", Part::History.name(), number + 1, bench.rounds));
        // The few would not be few any more after a round.
        let filled = Filled::make(bench, FEW, Kind::Sent).await?;
        few_rounds.push(round(bench, filled.dir.path(), filled.users, 0).await?);
        few = Some(filled);
        let first = number * (warm_up(bench.messages) + bench.messages);
        many_rounds.push(round(bench, many.dir.path(), many.users, first).await?);
    }
    let few = few.ok_or("no round was asked for")?;
    Ok(History { few: level(&few, FEW, few_rounds), many: level(&many, bench.history, many_rounds) })
}

fn level(filled: &Filled, stored_messages: u32, rounds: Vec<(Duration, Figures)>) -> Level {
    let (starts, figures): (Vec<Duration>, Vec<Figures>) = rounds.into_iter().unzip();
    Level {
        stored_messages,
        users: filled.users,
        database_mib: filled.database_mib,
        start_seconds: median(starts.iter().map(Duration::as_secs_f64).collect()),
        figures: Figures::medians(&figures),
    }
}

async fn round(bench: &Bench, dir: &Path, users: u32, first: u32) -> Result<(Duration, Figures)> {
    let gateway = Gateway::restart(&bench.hongyan, dir, &bench.sink.url).await?;
    let start = gateway.ready_after;
    let load = to_each(bench, &gateway, users);
    let figures = trial::measure(bench, &load, &[&gateway.process], first, true).await?;
    gateway.stop().await?;
    Ok((start, figures))
}

/// Single messages, each to another of so many users.
pub(crate) fn to_each(bench: &Bench, gateway: &Gateway, users: u32) -> Load {
    Load {
        target: gateway.target.clone(),
        connections: bench.connections,
        requests: Requests::Messages { users, batch: 1, accepted: StatusCode::ACCEPTED },
    }
}
