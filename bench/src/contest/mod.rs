//! The same messages through different programs, one program after the other, in rounds: how many messages each program
//! delivers, and what that costs. In every round each contestant starts in an empty directory.

mod contestant;

use serde::Serialize;

use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::load::{Load, Requests};
use crate::process::Process;
use crate::trial::{self, Figures, Reaches, warm_up};
use contestant::Running;

/// A contestant's figures.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    #[serde(rename = "name")]
    pub(crate) part: Part,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// The result of a contestant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Medians of all rounds.
    Measured(Figures),
    /// The reason.
    NotMeasured(String),
}

impl Row {
    /// The figures, if there are any.
    pub(crate) fn figures(&self) -> Option<&Figures> {
        match &self.outcome {
            Outcome::Measured(figures) => Some(figures),
            Outcome::NotMeasured(_) => None,
        }
    }
}

/// Measures these contestants in interleaved rounds. If a foreign program does not work, its row says why.
pub(crate) async fn measure(bench: &Bench, parts: &[Part]) -> Result<Vec<Row>> {
    let start = |part: Part| bench.missing(part).map_or(Ok(Vec::new()), Err);
    let mut all: Vec<(Part, Result<Vec<Figures>>)> = parts.iter().map(|&part| (part, start(part))).collect();
    for number in 1..=bench.rounds {
        for (part, rounds) in &mut all {
            let Ok(figures) = rounds else { continue };
            say(&format!("{}, round {number} of {}", part.name(), bench.rounds));
            match round(bench, *part).await {
                Ok(round) => figures.push(round),
                Err(why) if part.is_foreign() => *rounds = Err(why),
                Err(why) => return Err(format!("{}: {why}", part.name())),
            }
        }
    }
    let row = |(part, rounds): (Part, Result<Vec<Figures>>)| Row {
        part,
        outcome: match rounds {
            Ok(rounds) => Outcome::Measured(Figures::medians(&rounds)),
            Err(why) => Outcome::NotMeasured(why),
        },
    };
    Ok(all.into_iter().map(row).collect())
}

/// One round of one contestant.
pub(crate) async fn round(bench: &Bench, part: Part) -> Result<Figures> {
    let dir = bench.dir()?;
    let messages = warm_up(bench.messages) + bench.messages;
    let running = Running::start(bench, part, dir.path(), bench.users, messages).await?;
    let Running { target, batch, accepted, .. } = &running;
    let load = Load {
        target: target.clone(),
        connections: bench.connections,
        requests: Requests::Messages { users: bench.users, batch: *batch, accepted: *accepted },
    };
    let already = bench.sink.count();
    let processes: Vec<&Process> = running.processes.iter().collect();
    let reaches = if part == Part::GatewayWebhook { Reaches::MessageAndEvent } else { Reaches::Message };
    let figures = trial::measure(bench, &load, &processes, 0, reaches).await?;
    running.stop(messages).await?;
    match bench.sink.count() - already {
        delivered if delivered == messages => Ok(figures),
        delivered => Err(format!("{messages} messages were accepted, but {delivered} were delivered")),
    }
}
