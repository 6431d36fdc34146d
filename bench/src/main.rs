//! Measures the gateway from outside, and other programs that send the same messages. `cargo xtask bench` runs it;
//! `docs/benchmarks.md` says how to read the results.
//!
//! Each measured program is a separate process, so its CPU and memory are counted separately. The load and the sink run on
//! the same machine, so messages per second depend on the number of cores.
//!
//! | module | knows |
//! | --- | --- |
//! | [`args`], [`mod@bench`] | what is measured, and with how many messages |
//! | [`contest`] | the same messages through different programs, in rounds |
//! | [`rival`] | the programs of the contest in Rust; `bench/rivals/` has the programs for Node |
//! | [`half_load`] | how fast the gateway accepts at half of its peak |
//! | [`facade_calls`] | what a call through the facade costs |
//! | [`callbacks`] | how fast the gateway answers WeChat's pushes |
//! | [`history`], [`scheduled`], [`fill`] | the gateway with millions of stored messages |
//! | [`console`] | how fast the console's pages are, and what ten people who look at them cost |
//! | [`sandbox_speed`] | the sandbox alone |
//! | [`soak`] | whether memory or disk grow without end; run by `cargo xtask soak` |
//! | [`trial`], [`load`], [`message`], [`client`] | sending messages, timing the answers, counting the cost |
//! | [`gateway`], [`process`] | starting, filling and stopping the measured programs |
//! | [`sink`] | answering like WeChat, and counting |
//! | [`usage`], [`figures`] | what a process has used; percentiles and medians |
//! | [`durable`], [`machine`] | the limits of the disk; what machine this is |
//! | [`report`] | the tables, and the pages that they go to |

mod args;
mod bench;
mod callbacks;
mod client;
mod console;
mod contest;
mod durable;
mod facade_calls;
mod figures;
mod fill;
mod gateway;
mod half_load;
mod history;
mod load;
mod machine;
mod message;
mod process;
mod report;
mod rival;
mod sandbox_speed;
mod scheduled;
mod sink;
mod soak;
mod trial;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;
use crate::bench::{Bench, Part};
use crate::machine::Machine;
use crate::report::Report;

/// The error is a text for the terminal.
type Result<T = ()> = std::result::Result<T, String>;

/// The first argument that makes this binary one of the measured programs.
const RIVAL: &str = "rival";

/// The first argument that runs the soak test instead of the benchmark.
const SOAK: &str = "soak";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(|error| format!("cannot start: {error}")).and_then(|runtime| {
        let mut words = std::env::args_os().skip(1);
        let first = words.next();
        let is = |name: &str| first.as_ref().is_some_and(|word| word == name);
        let done = if is(RIVAL) {
            let name = std::iter::once(RIVAL.into()).chain(words);
            runtime.block_on(rival::run(rival::Rival::parse_from(name)))
        } else if is(SOAK) {
            let args = soak::Args::parse_from(std::iter::once(SOAK.into()).chain(words));
            runtime.block_on(until_told(soak::run(&args)))
        } else {
            runtime.block_on(until_told(run(&Args::parse())))
        };
        // After an interruption, a thread may still fill a database that is no longer needed.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `work` until it is done or a signal comes. Dropping `work` ends its processes and deletes its databases.
async fn until_told(work: impl Future<Output = Result>) -> Result {
    let failed = |error: std::io::Error| format!("cannot listen for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        done = work => done,
        _ = terminate.recv() => Err("terminated".to_owned()),
        _ = interrupt.recv() => Err("interrupted".to_owned()),
    }
}

async fn run(args: &Args) -> Result {
    if args.list {
        for part in args.parts() {
            println!("{}", part.name());
        }
        return Ok(());
    }
    let bench = Bench::start(args).await?;
    let report = measure(args, &bench).await?;
    if args.json {
        println!("{}", serde_json::json!(report));
    } else {
        println!("{report}");
    }
    if args.write { report.write(bench.repository()) } else { Ok(()) }
}

async fn measure(args: &Args, bench: &Bench) -> Result<Report> {
    // Comes first, because `--write` itself changes the repository.
    let machine = Machine::look(bench.repository(), &args.dir);
    let limit = durable::measure(bench.dir()?.path())?;
    let parts = args.parts();
    let wants = |part: Part| parts.contains(&part);
    let contestants: Vec<_> = parts.iter().copied().filter(|part| part.is_contestant()).collect();
    let contest = contest::measure(bench, &contestants).await?;
    let peak_per_second = contest
        .iter()
        .find(|row| row.part == Part::Gateway)
        .and_then(|row| row.figures())
        .map(|figures| figures.delivered_per_second);
    let half_load =
        if wants(Part::HalfLoad) { Some(half_load::measure(bench, peak_per_second).await?) } else { None };
    let facade = if wants(Part::Facade) { Some(facade_calls::measure(bench).await?) } else { None };
    let callbacks = if wants(Part::Callbacks) { Some(callbacks::measure(bench).await?) } else { None };
    let sandbox = if wants(Part::Sandbox) { Some(sandbox_speed::measure(bench).await?) } else { None };
    let history = if wants(Part::History) { Some(history::measure(bench).await?) } else { None };
    let console = if wants(Part::Console) { Some(console::measure(bench).await?) } else { None };
    let scheduled = if wants(Part::Scheduled) { Some(scheduled::measure(bench).await?) } else { None };
    Ok(Report {
        machine,
        command: args.command(),
        messages: bench.messages,
        connections: bench.connections,
        users: bench.users,
        rounds: bench.rounds,
        limit,
        contest,
        half_load,
        facade,
        callbacks,
        history,
        console,
        scheduled,
        sandbox,
    })
}
