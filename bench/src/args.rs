//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum, value_parser};

use crate::bench::Part;

/// Measure the gateway, and what it stands next to.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
pub(crate) struct Args {
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME[,NAME]")]
    only: Vec<Part>,
    /// How many messages each is measured with
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(1_000..=10_000_000))]
    pub(crate) messages: u32,
    /// How often each is measured, in turn with the others; what is shown are medians
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,
    /// How many connections send the messages, each one request after the other
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) concurrency: u32,
    /// How many users they go to, in turn
    #[arg(long, default_value_t = 2_000, value_parser = value_parser!(u32).range(1_000..=100_000))]
    pub(crate) users: u32,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The binary to measure
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) hongyan: PathBuf,
    /// Where the databases are put; a directory on a real disk
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

impl Args {
    /// What is to be measured, in the order of the tables.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let wanted = |part: &Part| self.only.is_empty() || self.only.contains(part);
        Part::value_variants().iter().copied().filter(wanted).collect()
    }
}
