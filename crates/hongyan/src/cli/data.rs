//! Commands for what is stored: backup, restore, import.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, RemoteArgs};

#[derive(Debug, Args)]
#[command(after_help = "\
The copy shows one moment, is checked page by page, and takes its name only when it is complete. The gateway goes on \
meanwhile. The master key is not in it: keep that too.

Examples:
  hongyan backup /backups/hongyan-$(date +%F).db
  hongyan backup --data-dir /var/lib/hongyan --force /backups/latest.db --json")]
pub(crate) struct BackupArgs {
    /// Where to write the copy
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace FILE if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The gateway must not run. A database that is there is moved aside, never deleted.

What went out after the backup was made must not go out again. So messages that were due between the backup and now \
become `unknown` and are not sent; messages for later stay scheduled. If nothing was sent after the backup, because the \
gateway was stopped before it was made, say --as-is.

Examples:
  hongyan restore /backups/latest.db --force
  hongyan restore /backups/latest.db --force --hold     nothing is sent until each app is resumed
  hongyan restore moved.db --as-is                      on a new machine, after a stop and a backup on the old one")]
pub(crate) struct RestoreArgs {
    /// The backup; it stays as it is
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Move a database that is there aside
    #[arg(long)]
    pub(crate) force: bool,
    /// Pause every app, so that nothing is sent until it is resumed
    #[arg(long)]
    pub(crate) hold: bool,
    /// Nothing was sent after the backup was made: leave its messages as they are
    #[arg(long)]
    pub(crate) as_is: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each line is one message as POST /v1/messages takes it (or one permit), and has a `reference` of your own. A message's \
idempotency key follows from it, so the same line is one message however often it is imported. Lines go out in batches, \
one after the other; a batch that is not answered is repeated.

The same command again sends only what was not accepted yet: where it was stopped it goes on, lines that were refused \
are tried again, corrected or not, and lines that were added are sent. Lines are known by what they say, so a file may \
be edited anywhere in between.

Exit codes: 0 all lines are there, 1 some were refused, or it ended before the end of the file.

Examples:
  export HONGYAN_API_KEY=hyk_…
  hongyan import may.ndjson --errors refused.ndjson
  zcat may.ndjson.gz | hongyan import - --reference-from-line --json
  hongyan import forms.ndjson --permits")]
pub(crate) struct ImportArgs {
    /// The file; - reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The lines are permits
    #[arg(long)]
    pub(crate) permits: bool,
    /// A message without a reference gets one from what its line says
    #[arg(long, conflicts_with = "permits")]
    pub(crate) reference_from_line: bool,
    /// Write what is refused in this run to this file, as JSON lines with the line's number and the problem
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    /// Where to remember what was accepted; a second file is made, with .lines after this name [default: FILE.import-state; for standard input nowhere]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Forget what was remembered, and send all lines
    #[arg(long)]
    pub(crate) restart: bool,
    /// How many lines go in one request
    #[arg(long, value_name = "N", default_value = "500", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) batch: u16,
    /// How long to try again while the gateway is away or cannot take more
    #[arg(long, value_name = "SECONDS", default_value = "300")]
    pub(crate) give_up_after: u64,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}
