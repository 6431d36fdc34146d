//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum, value_parser};

use crate::bench::Part;

/// The defaults of the flags.
const MESSAGES: u32 = 100_000;
const ROUNDS: u32 = 3;
const CONCURRENCY: u32 = 64;
const USERS: u32 = 2_000;
const HISTORY: u32 = 10_000_000;

/// Measure the gateway and the programs that it is compared with.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
#[command(override_usage = "cargo xtask bench [OPTIONS]")]
pub(crate) struct Args {
    /// Measure only these parts
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME[,NAME]")]
    only: Vec<Part>,
    /// Leave out the parts that take many minutes: history, scheduled and console
    #[arg(long, conflicts_with = "only")]
    quick: bool,
    /// How many messages a round sends
    #[arg(long, default_value_t = MESSAGES, value_parser = value_parser!(u32).range(1_000..=1_000_000))]
    pub(crate) messages: u32,
    /// How many rounds; the programs take turns, and the tables show medians
    #[arg(long, default_value_t = ROUNDS, value_parser = value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,
    /// How many connections send messages; each connection sends one request at a time
    #[arg(long, default_value_t = CONCURRENCY, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) concurrency: u32,
    /// How many users get the messages, in turn
    #[arg(long, default_value_t = USERS, value_parser = value_parser!(u32).range(1_000..=100_000))]
    pub(crate) users: u32,
    /// How many messages are stored for history, scheduled and console
    #[arg(long, value_name = "ROWS", default_value_t = HISTORY)]
    #[arg(value_parser = value_parser!(u32).range(20_000..=100_000_000))]
    pub(crate) history: u32,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the result into docs/benchmarks.md and docs/benchmarks.zh-CN.md
    #[arg(long)]
    pub(crate) write: bool,
    /// List the parts, and measure nothing
    #[arg(long, hide = true)]
    pub(crate) list: bool,
    /// A part that cannot be measured, and the reason
    #[arg(long, value_name = "NAME=WHY", hide = true, value_parser = missing)]
    pub(crate) missing: Vec<(Part, String)>,
    /// The binary to measure
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) hongyan: PathBuf,
    /// The repository that the binary was built from
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) repository: PathBuf,
    /// Directory of the databases, on a real disk; cargo's target directory by default
    #[arg(long, value_name = "DIR", overrides_with = "dir")]
    pub(crate) dir: PathBuf,
}

impl Args {
    /// The parts to measure, in the order of the tables.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let wanted = |part: &Part| {
            if self.only.is_empty() { !(self.quick && part.is_slow()) } else { self.only.contains(part) }
        };
        Part::value_variants().iter().copied().filter(wanted).collect()
    }

    /// The command that repeats this measurement.
    pub(crate) fn command(&self) -> String {
        let mut words = vec!["cargo xtask bench".to_owned()];
        if !self.only.is_empty() {
            let names: Vec<_> = self.only.iter().map(|part| part.name()).collect();
            words.push(format!("--only {}", names.join(",")));
        }
        if self.quick {
            words.push("--quick".to_owned());
        }
        let numbers = [
            ("--messages", self.messages, MESSAGES),
            ("--rounds", self.rounds, ROUNDS),
            ("--concurrency", self.concurrency, CONCURRENCY),
            ("--users", self.users, USERS),
            ("--history", self.history, HISTORY),
        ];
        words.extend(
            numbers
                .into_iter()
                .filter(|(_, value, default)| value != default)
                .map(|(flag, value, _)| format!("{flag} {value}")),
        );
        words.join(" ")
    }
}

fn missing(text: &str) -> Result<(Part, String), String> {
    let (name, why) = text.split_once('=').ok_or("NAME=WHY")?;
    Ok((Part::from_str(name, false)?, why.to_owned()))
}
