//! Proves that no message is lost, doubled or stuck. Kills the gateway under load, again and again, at a random moment or at a
//! fail point between two effects, starts it on the same data, and compares the ledger with the cards that users saw. Run by
//! `cargo xtask crash`.
//!
//! The gateway and the sandbox are separate processes and are only used over HTTP. The sandbox runs through all rounds: it is
//! the outside world, which remembers.
//!
//! | module | knows |
//! | --- | --- |
//! | [`plan`] | what happens in a round, drawn from a seed |
//! | [`mod@line`] | requests to a gateway that dies and comes back at another address |
//! | [`load`] | the callers, who repeat a request until it is answered |
//! | [`process`] | starting and killing the gateway |
//! | [`run`] | the steps of a round |
//! | [`check`] | the allowed results |
//! | [`report`] | the table |
//! | [`webhook`] | a back end that gets all events |
//! | [`sandbox`], [`http`] | the simulated WeChat; the HTTP client |

mod check;
mod http;
mod line;
mod load;
mod plan;
mod process;
mod pushes;
mod report;
mod run;
mod sandbox;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use hongyan_failpoints::{self as points, Point};
use tokio::signal::unix::{SignalKind, signal};

use crate::process::Programs;
use crate::report::Report;
use crate::run::{Outcome, Run, point_of};

/// A longer round is reported: it waited for a long timer.
const SLOW: Duration = Duration::from_secs(5);

/// The error is a text for the terminal.
type Result<T = ()> = std::result::Result<T, String>;

/// Kill the gateway under load, again and again, and count lost, doubled and stuck messages.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask crash", bin_name = "cargo xtask crash")]
struct Args {
    /// How many rounds; each kills at least once
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rounds: u32,
    /// The seed of the rounds; random by default
    #[arg(long)]
    seed: Option<u64>,
    /// The number of the first round, to repeat a round of an earlier run
    #[arg(long, default_value_t = 0, value_name = "ROUND")]
    first: u32,
    /// Kill at this fail point in every round; --points lists the fail points
    #[arg(long, value_name = "NAME", value_parser = point)]
    point: Option<Point>,
    /// List the fail points, with what is done and not yet done at each
    #[arg(long)]
    points: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    /// The binary, built with fail points
    #[arg(long, value_name = "FILE", hide = true)]
    hongyan: PathBuf,
    /// Directory of the database, on a real disk
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

fn point(name: &str) -> Result<Point> {
    let point = points::ALL.iter().find(|point| point.name == name);
    point.copied().ok_or_else(|| format!("there is no fail point {name}; --points lists them"))
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.points {
        for Point { name, before, after } in points::ALL {
            println!("{name}\n    done:    {before}\n    not yet: {after}");
        }
        return ExitCode::SUCCESS;
    }
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))
        .and_then(|runtime| runtime.block_on(until_stopped(rounds(&args))));
    match done {
        Ok(report) if args.json => println!("{}", report.json()),
        Ok(report) => println!("{report}"),
        Err(why) => {
            eprintln!("crash: {why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs the rounds until they are done or a signal comes. The started processes end in both cases.
async fn until_stopped(rounds: impl Future<Output = Result<Report>>) -> Result<Report> {
    let no_signals = |error| format!("cannot listen for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    tokio::select! {
        done = rounds => done,
        _ = terminate.recv() => Err("stopped by SIGTERM".into()),
        _ = interrupt.recv() => Err("stopped by SIGINT".into()),
    }
}

async fn rounds(args: &Args) -> Result<Report> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let dir = tempfile::Builder::new()
        .prefix("hongyan-crash-")
        .tempdir_in(&args.dir)
        .map_err(|error| format!("cannot make a directory in {}: {error}", args.dir.display()))?;
    let programs = Programs { hongyan: args.hongyan.clone(), dir: dir.path().to_owned() };
    let begin = Instant::now();
    let mut report = Report::new(seed);
    let mut run = Run::start(programs, seed).await?;
    for round in args.first..args.first + args.rounds {
        let point = args.point.or_else(|| point_of(seed, round));
        let failed = |why: String| {
            let at = point.map_or_else(String::new, |point| format!(" --point {}", point.name));
            format!(
                "{why}\nround {round} failed; repeat it with: cargo xtask crash --seed {seed} --first {round} \
                 --rounds 1{at}"
            )
        };
        let round_begin = Instant::now();
        let outcome = match run.round(round, point).await {
            Ok(outcome) => outcome,
            Err(why) => return Err(kept(&failed(why), dir)),
        };
        report.add(&outcome);
        if round_begin.elapsed() > SLOW {
            eprintln!("round {round} took {:.1} s", round_begin.elapsed().as_secs_f64());
        }
        if !outcome.verdict.violations.is_empty() {
            let why = dump(&run, &outcome).await;
            report.took(begin.elapsed());
            eprintln!("{report}");
            return Err(kept(&failed(why), dir));
        }
        if (round + 1) % 100 == 0 {
            eprintln!("{} rounds, {:.0} s", round + 1 - args.first, begin.elapsed().as_secs_f64());
        }
    }
    if let Err(why) = run.finish().await {
        return Err(kept(&why, dir));
    }
    report.took(begin.elapsed());
    match report.never_reached() {
        never if never.is_empty() => Ok(report),
        never => Err(format!("{report}\nthese fail points were never reached: {}", never.join(", "))),
    }
}

/// The violations of a round, and everything that is known about them.
async fn dump(run: &Run, outcome: &Outcome) -> String {
    let violations: Vec<String> =
        outcome.verdict.violations.iter().map(|violation| format!("{violation:?}")).collect();
    let mut lines = violations.clone();
    match run.details(&outcome.seen, &violations.join("\n")).await {
        Ok(details) => lines.extend(details.iter().map(ToString::to_string)),
        Err(why) => lines.push(why),
    }
    lines.push(format!("cards: {:?}", outcome.seen.cards));
    lines.join("\n")
}

/// Keeps the directory with the database and the log.
fn kept(why: &str, dir: tempfile::TempDir) -> String {
    format!("{why}\nthe database and the gateway's log are kept in {}", dir.keep().display())
}
