//! `hongyan man`: the manual pages, for packages.

use std::path::Path;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::failure::Failure;

/// Writes a page for each command into a directory that exists.
pub(crate) fn run(directory: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|error| Failure::cannot_write(directory, &error))
}
