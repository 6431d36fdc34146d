//! Measures the gateway as its users meet it, and next to it what else would carry the same messages. Run by
//! `cargo xtask bench`; `docs/benchmarks.md` says how to read what comes out.
//!
//! Everything that is measured is a process of its own, so its CPU and memory are its alone. The load and the sink
//! share the machine with it, so messages per second depend on how many cores there are.
//!
//! | module | knows |
//! | --- | --- |
//! | [`args`], [`bench`] | what shall be measured, with how much |
//! | [`contest`] | the same messages through different programs, in rounds |
//! | [`rival`] | those of the programs that are written here |
//! | [`gateway`], [`process`] | starting, filling and stopping what is measured |
//! | [`message`], [`load`], [`client`] | sending messages and timing the answers |
//! | [`sink`] | answering like WeChat, and counting |
//! | [`usage`], [`figures`] | what a process has used; percentiles and medians |
//! | [`durable`] | what the disk can do at best |
//! | [`report`] | the tables |

mod args;
mod bench;
mod client;
mod contest;
mod durable;
mod figures;
mod gateway;
mod load;
mod message;
mod process;
mod report;
mod rival;
mod sink;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::bench::Bench;
use crate::report::Report;

/// What went wrong, in words.
type Result<T = ()> = std::result::Result<T, String>;

/// The first argument with which this binary is one of the programs that are measured.
const RIVAL: &str = "rival";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(|error| format!("cannot start: {error}")).and_then(|runtime| {
        let mut words = std::env::args_os().skip(1);
        if words.next().is_some_and(|word| word == RIVAL) {
            let name = std::iter::once(RIVAL.into()).chain(words);
            runtime.block_on(rival::run(rival::Rival::parse_from(name)))
        } else {
            runtime.block_on(run(&Args::parse()))
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result {
    let report = measure(args).await?;
    if args.json {
        println!("{}", serde_json::json!(report));
    } else {
        println!("{report}");
    }
    Ok(())
}

async fn measure(args: &Args) -> Result<Report> {
    let bench = Bench::start(args).await?;
    let limit = durable::measure(bench.dir()?.path())?;
    let contestants: Vec<_> = args.parts().into_iter().filter(|part| part.is_contestant()).collect();
    let contest = contest::measure(&bench, &contestants).await?;
    Ok(Report::new(&bench, limit, contest))
}
