//! Whether anything grows that must not: the gateway and the sandbox under a mixed load for as long as is asked, on a
//! clock that runs fast, so that days of retention pass, and with nobody who scrapes. `cargo xtask soak`.
//!
//! | module | knows |
//! | --- | --- |
//! | [`world`] | starting the two processes, and what they know of each other |
//! | [`callers`] | the load: everything that the gateway can be asked |
//! | [`counts`] | what came of it |
//! | [`samples`] | what the processes hold, and whether it levels off |
//! | [`picture`] | the curves |

mod callers;
mod counts;
mod picture;
mod samples;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};

use crate::Result;
use crate::bench::say;
use counts::Counts;
use samples::{Samples, Verdict};
use world::World;

/// How many of the clock's days a run has. Retention keeps one, so all but the first see as much go as come.
const DAYS: f64 = 12.0;

/// A day is never shorter: at that pace whatever is good for an hour of the clock's is good for 0.4 s.
const SHORTEST_DAY: Duration = Duration::from_secs(10);

/// How often it is looked how much is held.
const SAMPLES: u32 = 240;

/// Put the gateway under load for a while, and see whether what it holds levels off.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak", bin_name = "cargo xtask soak")]
#[command(override_usage = "cargo xtask soak [OPTIONS]")]
pub(crate) struct Args {
    /// How long
    #[arg(long, default_value_t = 30.0, value_parser = minutes)]
    minutes: f64,
    /// How many messages must have been accepted by then; fewer fail
    #[arg(long, default_value_t = 0)]
    messages: u64,
    /// How many connections send batches
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=512))]
    connections: u32,
    /// How many messages a batch has
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=1_000))]
    batch: u32,
    /// Draw the curves into this file (SVG)
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Use what was built for development, which is quickly there
    #[arg(long)]
    debug: bool,
    /// The binary, which has both programs
    #[arg(long, value_name = "FILE", hide = true)]
    hongyan: PathBuf,
    /// The repository that it was built from
    #[arg(long, value_name = "DIR", hide = true)]
    repository: PathBuf,
    /// Where the database is put, instead of cargo's target directory; a directory on a real disk
    #[arg(long, value_name = "DIR", overrides_with = "dir")]
    dir: PathBuf,
}

fn minutes(text: &str) -> Result<f64> {
    let minutes: f64 = text.parse().map_err(|_| "a number of minutes".to_owned())?;
    if (0.25..=1_440.0).contains(&minutes) { Ok(minutes) } else { Err("0.25 to 1440 minutes".to_owned()) }
}

/// Runs it; the result is printed also when something did not level off.
pub(crate) async fn run(args: &Args) -> Result {
    let length = Duration::from_secs_f64(args.minutes * 60.0);
    let day = length.div_f64(DAYS).max(SHORTEST_DAY);
    let dir = tempfile::Builder::new()
        .prefix("hongyan-soak-")
        .tempdir_in(&args.dir)
        .map_err(|error| format!("cannot make a directory in {}: {error}", args.dir.display()))?;
    let world = Arc::new(World::start(&args.hongyan, dir.path(), day).await?);
    let counts = Arc::new(Counts::default());
    let days = length.as_secs_f64() / day.as_secs_f64();
    say(&format!("{:.1} minutes, which are {days:.1} days to both programs", args.minutes));
    let callers = callers::start(&world, &counts, args.connections, args.batch);
    let samples = watch(&world, &counts, length, day).await?;
    callers.stop().await;
    let verdict = samples.verdict();
    let text = text(args, &samples, &verdict, &counts);
    println!("{text}");
    if let Some(file) = &args.picture {
        std::fs::write(file, picture::svg(&samples, &verdict))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        say(&format!("the curves are in {}", file.display()));
    }
    Arc::into_inner(world).ok_or("a caller is still there")?.stop().await?;
    judge(args, &verdict, &counts)
}

/// Looks now and then until the time is over.
async fn watch(world: &World, counts: &Counts, length: Duration, day: Duration) -> Result<Samples> {
    let begin = Instant::now();
    let mut samples = Samples::new(length, day);
    let step = length / SAMPLES;
    let mut said = Duration::ZERO;
    for number in 1..=SAMPLES {
        tokio::time::sleep((step * number).saturating_sub(begin.elapsed())).await;
        samples.add(world.look(begin.elapsed(), counts)?);
        if begin.elapsed() >= said + Duration::from_secs(60) {
            said = begin.elapsed();
            say(&samples.last_in_words());
        }
    }
    Ok(samples)
}

fn text(args: &Args, samples: &Samples, verdict: &Verdict, counts: &Counts) -> String {
    let accepted = counts.accepted();
    let per_second = accepted as f64 / (args.minutes * 60.0);
    format!(
        "{accepted} messages accepted in {:.1} minutes, {per_second:.0} a second\n\n{}\n{verdict}\n{}",
        args.minutes,
        counts.table(),
        samples.last_in_words(),
    )
}

fn judge(args: &Args, verdict: &Verdict, counts: &Counts) -> Result {
    if counts.accepted() < args.messages {
        return Err(format!("{} messages were accepted, fewer than {}", counts.accepted(), args.messages));
    }
    if let Some(why) = counts.what_is_missing() {
        return Err(why);
    }
    match verdict.grows() {
        grows if grows.is_empty() => Ok(()),
        grows => Err(format!("did not level off: {}", grows.join(", "))),
    }
}
