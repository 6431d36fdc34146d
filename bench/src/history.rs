//! What a message costs with few stored messages and with many: the same load on both.
//!
//! There are two loads. The first load goes to the few users of all other measurements, in turn, so that recently used pages
//! are soon used again. The second load sends each message to another of all stored users, so that recently used pages do
//! not help.

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
use crate::trial::{self, Figures, Reaches, warm_up};

/// The few stored messages.
const FEW: u32 = 10_000;

/// Messages of each user, where there are many stored messages.
const MESSAGES_PER_USER: u32 = 10;

/// Units that are left for each user: more than all rounds spend.
const UNITS_LEFT: u32 = 1_000_000;

/// The results of both loads.
#[derive(Debug, Serialize)]
pub(crate) struct History {
    pub(crate) in_turn: Comparison,
    pub(crate) to_each: Comparison,
}

/// The results of one load with few and with many stored messages.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) few: Level,
    pub(crate) many: Level,
}

/// The results with this number of stored messages.
#[derive(Debug, Serialize)]
pub(crate) struct Level {
    pub(crate) stored_messages: u32,
    /// Users of the stored messages.
    pub(crate) stored_users: u32,
    /// Users of the load.
    pub(crate) users: u32,
    pub(crate) database_mib: f64,
    /// From the start until the gateway is ready.
    pub(crate) start_seconds: f64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// A filled database.
pub(crate) struct Filled {
    pub(crate) dir: TempDir,
    pub(crate) users: u32,
    pub(crate) database_mib: f64,
}

impl Filled {
    /// Makes a database. The gateway creates the tables, and is stopped before the database is filled.
    pub(crate) async fn make(bench: &Bench, messages: u32, kind: Kind) -> Result<Self> {
        let dir = bench.dir()?;
        Gateway::start(&bench.hongyan, dir.path(), &bench.sink.url).await?.stop().await?;
        let loaded = warm_up(bench.messages) + bench.messages;
        let users = loaded.max(messages / MESSAGES_PER_USER);
        let what = Fill { messages, users, units_left: UNITS_LEFT, kind };
        let path = database(dir.path());
        let begin = Instant::now();
        let filling = tokio::task::spawn_blocking(move || fill(&path, what)).await;
        let bytes = filling.map_err(|error| format!("filling the database panicked: {error}"))??;
        say(&format!("{messages} messages stored in {:.0} s", begin.elapsed().as_secs_f64()));
        Ok(Self { dir, users, database_mib: bytes as f64 / f64::from(1 << 20) })
    }
}

/// Measures both loads on both databases, in turn.
pub(crate) async fn measure(bench: &Bench) -> Result<History> {
    let many = Filled::make(bench, bench.history, Kind::Sent).await?;
    let mut in_turn = Rounds::default();
    let mut to_each = Rounds::default();
    for number in 1..=bench.rounds {
        say(&format!("{}, round {number} of {}", Part::History.name(), bench.rounds));
        // Each load on a database has its own numbers: a number makes the idempotency key.
        let loaded = warm_up(bench.messages) + bench.messages;
        let first = 2 * (number - 1) * loaded;
        in_turn.add(bench, &many, Some(bench.users), first).await?;
        to_each.add(bench, &many, None, first + loaded).await?;
    }
    Ok(History { in_turn: in_turn.comparison(bench, &many)?, to_each: to_each.comparison(bench, &many)? })
}

/// The rounds of one load.
#[derive(Default)]
struct Rounds {
    users: [u32; 2],
    few: Vec<(Duration, Figures)>,
    many: Vec<(Duration, Figures)>,
    filled: Option<(u32, f64)>,
}

impl Rounds {
    /// Runs another round. `None` sends to all stored users.
    async fn add(&mut self, bench: &Bench, many: &Filled, users: Option<u32>, first: u32) -> Result {
        // A new database for each round: the messages of a round would be added to the few.
        let few = Filled::make(bench, FEW, Kind::Sent).await?;
        self.users = [users.unwrap_or(few.users), users.unwrap_or(many.users)];
        self.filled = Some((few.users, few.database_mib));
        self.few.push(round(bench, few.dir.path(), self.users[0], first).await?);
        self.many.push(round(bench, many.dir.path(), self.users[1], first).await?);
        Ok(())
    }

    fn comparison(self, bench: &Bench, many: &Filled) -> Result<Comparison> {
        let few = self.filled.ok_or("there was no round")?;
        Ok(Comparison {
            few: level(FEW, few, self.users[0], self.few),
            many: level(bench.history, (many.users, many.database_mib), self.users[1], self.many),
        })
    }
}

fn level(
    stored_messages: u32,
    (stored_users, database_mib): (u32, f64),
    users: u32,
    rounds: Vec<(Duration, Figures)>,
) -> Level {
    let (starts, figures): (Vec<Duration>, Vec<Figures>) = rounds.into_iter().unzip();
    Level {
        stored_messages,
        stored_users,
        users,
        database_mib,
        start_seconds: median(starts.iter().map(Duration::as_secs_f64).collect()),
        figures: Figures::medians(&figures),
    }
}

async fn round(bench: &Bench, dir: &Path, users: u32, first: u32) -> Result<(Duration, Figures)> {
    let gateway = Gateway::restart(&bench.hongyan, dir, &bench.sink.url).await?;
    let start = gateway.ready_after;
    let load = to_users(bench, &gateway, users);
    let figures = trial::measure(bench, &load, &[&gateway.process], first, Reaches::Message).await?;
    gateway.stop().await?;
    Ok((start, figures))
}

/// Single messages to `users` users in turn.
pub(crate) fn to_users(bench: &Bench, gateway: &Gateway, users: u32) -> Load {
    Load {
        target: gateway.target.clone(),
        connections: bench.connections,
        requests: Requests::Messages { users, batch: 1, accepted: StatusCode::ACCEPTED },
    }
}
