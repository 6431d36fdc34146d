//! Flags that all lists share.

use clap::{Args, ValueEnum};

use super::RemoteArgs;

/// The gateway that has a list, and how the list is printed.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// How to print the list; json is the same as --json
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "json")]
    pub(crate) output: Option<Format>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

impl ListArgs {
    /// The format that the flags ask for.
    pub(crate) fn format(&self) -> Format {
        if self.remote.json { Format::Json } else { self.output.unwrap_or(Format::Table) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people
    Table,
    /// One document as the API answers it, for programs
    Json,
    /// Comma-separated values with all columns, for spreadsheets
    Csv,
}

/// Which part of a long list.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// How many entries to list
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// List all entries, page after page
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
    /// Continue an earlier list: the cursor that it ended with
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}
