//! The soak test: whether memory or disk grow without end. The gateway and the sandbox run under a mixed load on a fast
//! clock, so that days of retention pass, and nobody scrapes the metrics. `cargo xtask soak` runs it.
//!
//! | module | knows |
//! | --- | --- |
//! | [`world`] | starting the two processes and connecting them |
//! | [`callers`] | the load: everything that the gateway does |
//! | [`counts`] | the results of the load |
//! | [`samples`] | memory, disk and descriptors, and whether they level off |
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

/// Days of the fast clock in a run. Retention keeps one day, so from the second day on as much is deleted as is added.
const DAYS: f64 = 12.0;

/// The shortest day: at this pace an hour of the fast clock takes 0.4 s.
const SHORTEST_DAY: Duration = Duration::from_secs(10);

/// Samples of a run.
const SAMPLES: u32 = 240;

/// Put the gateway under load for a while, and check whether its memory and disk level off.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak", bin_name = "cargo xtask soak")]
#[command(override_usage = "cargo xtask soak [OPTIONS]")]
pub(crate) struct Args {
    /// How many minutes the load lasts
    #[arg(long, default_value_t = 30.0, value_parser = minutes)]
    minutes: f64,
    /// The least number of accepted messages; the run fails with fewer
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
    /// Use the development build, which builds faster
    #[arg(long)]
    debug: bool,
    /// The binary of the gateway and the sandbox
    #[arg(long, value_name = "FILE", hide = true)]
    hongyan: PathBuf,
    /// The repository that the binary was built from
    #[arg(long, value_name = "DIR", hide = true)]
    repository: PathBuf,
    /// Directory of the database, on a real disk; cargo's target directory by default
    #[arg(long, value_name = "DIR", overrides_with = "dir")]
    dir: PathBuf,
}

fn minutes(text: &str) -> Result<f64> {
    let minutes: f64 = text.parse().map_err(|_| "a number of minutes".to_owned())?;
    if (0.25..=1_440.0).contains(&minutes) { Ok(minutes) } else { Err("0.25 to 1440 minutes".to_owned()) }
}

/// Runs the soak test. The result is printed even if a curve did not level off.
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

/// Takes samples until the time is over.
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
