//! Measures the gateway as its users meet it: a release build of `hongyan serve` on SQLite, every feature on, single
//! messages over kept connections, against a sink that answers at once as WeChat does. Run by `cargo xtask bench`.
//!
//! The load, the sink and the gateway share the machine, so messages per second depend on it; CPU seconds are the
//! gateway's alone. Next to them stands what this disk and this SQLite can do at best, for machines differ.
//!
//! | module | knows |
//! | --- | --- |
//! | [`sink`] | answering like WeChat, and counting |
//! | [`gateway`] | starting, filling and stopping the gateway |
//! | [`load`] | sending messages and timing the answers |
//! | [`usage`] | what a process has used |
//! | [`durable`] | what the disk can do at best |
//! | [`report`] | the table |

mod durable;
mod gateway;
mod load;
mod report;
mod sink;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::gateway::Gateway;
use crate::report::Report;
use crate::sink::Sink;

/// What went wrong, in words.
type Result<T = ()> = std::result::Result<T, String>;

/// Measure the gateway.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Args {
    /// How many messages are measured
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    messages: u32,
    /// How many connections send them, each one message after the other
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency: u32,
    /// How many users they go to, in turn
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1_000..=100_000))]
    users: u32,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    /// The binary to measure
    #[arg(long, value_name = "FILE", hide = true)]
    hongyan: PathBuf,
    /// Where the database is put; a directory on a real disk
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let measured = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))
        .and_then(|runtime| runtime.block_on(measure(&args)));
    match measured {
        Ok(report) if args.json => {
            println!("{}", serde_json::json!(report));
            ExitCode::SUCCESS
        }
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(args: &Args) -> Result<Report> {
    let dir = tempfile::Builder::new()
        .prefix("hongyan-bench-")
        .tempdir_in(&args.dir)
        .map_err(|error| format!("cannot make a directory in {}: {error}", args.dir.display()))?;
    let limit = durable::measure(dir.path())?;

    let sink = Sink::start().await?;
    let gateway = Gateway::start(&args.hongyan, dir.path(), &sink.url).await?;
    // A tenth more than is measured: caches, connections and the database's pages are warm then.
    let warm_up = args.messages / 10;
    gateway.grant(args.users, (args.messages + warm_up).div_ceil(args.users)).await?;
    load::send(&gateway, args.users, warm_up, args.concurrency).await?;
    sink.delivered(warm_up).await;

    let before = gateway.usage()?;
    let begin = Instant::now();
    let mut latencies = load::send(&gateway, args.users, args.messages, args.concurrency).await?;
    sink.delivered(warm_up + args.messages).await;
    let took = begin.elapsed();
    let after = gateway.usage()?;
    gateway.stop().await?;
    let delivered = sink.count();
    if delivered != warm_up + args.messages {
        return Err(format!("{} messages were accepted, {delivered} delivered", warm_up + args.messages));
    }

    latencies.sort_unstable();
    Ok(Report::new(
        args,
        took,
        after.cpu.saturating_sub(before.cpu),
        after.peak_memory_kib,
        &latencies,
        limit,
    ))
}
