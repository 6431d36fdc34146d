//! Commands for what is stored: backup, restore, import.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, RemoteArgs};

#[derive(Debug, Args)]
#[command(after_help = "\
The copy shows one moment and is checked page by page. FILE appears only when the copy is complete. The gateway keeps \
running meanwhile. The copy does not contain the master key: keep a copy of the master key too.

Examples:
  hongyan backup /backups/hongyan-$(date +%F).db
  hongyan backup --data-dir /var/lib/hongyan --force /backups/latest.db --json")]
pub(crate) struct BackupArgs {
    /// Where to write the copy
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace FILE if it exists
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
Stop the gateway first. An existing database is moved aside, never deleted.

Messages that were sent after the backup must not be sent again. So messages that were due between the backup and now \
become `unknown` and are not sent; messages for later stay scheduled. Use --as-is if nothing was sent after the backup, \
because the gateway was stopped before the backup.

Examples:
  hongyan restore /backups/latest.db --force
  hongyan restore /backups/latest.db --force --hold     nothing is sent until each app is resumed
  hongyan restore moved.db --as-is                      on a new machine, after a stop and a backup on the old one")]
pub(crate) struct RestoreArgs {
    /// The backup; this file is not changed
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Move an existing database aside
    #[arg(long)]
    pub(crate) force: bool,
    /// Pause every app, so that nothing is sent until the app is resumed
    #[arg(long)]
    pub(crate) hold: bool,
    /// Nothing was sent after the backup: leave its messages as they are
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
Each line is one message as in POST /v1/messages (or one permit), and has a `reference` of your own. A message's \
idempotency key is made from its reference, so a line stays one message even if it is imported again. Lines are sent in \
batches, one after the other; a batch without an answer is repeated.

The same command again sends only lines that were not accepted yet: it continues where it stopped, tries refused lines \
again, and sends added lines. An import recognises a line by its content, so the file may be edited anywhere between \
two runs.

Exit codes: 0 all lines were accepted, 1 some lines were refused, or the import ended before the end of the file.

Examples:
  export HONGYAN_API_KEY=hyk_…
  hongyan import may.ndjson --errors refused.ndjson
  zcat may.ndjson.gz | hongyan import - --reference-from-line --json
  hongyan import forms.ndjson --permits")]
pub(crate) struct ImportArgs {
    /// The file to import; - reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The lines of the file are permits
    #[arg(long)]
    pub(crate) permits: bool,
    /// Make a reference from the content of each line that has no reference
    #[arg(long, conflicts_with = "permits")]
    pub(crate) reference_from_line: bool,
    /// Write the lines refused in this run to this file, as JSON lines with the line's number and the problem
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    /// Where to remember accepted lines; a second file gets .lines after this name [default: FILE.import-state; for
    /// standard input nowhere]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Forget earlier runs, and send all lines
    #[arg(long)]
    pub(crate) restart: bool,
    /// How many lines one request holds
    #[arg(long, value_name = "N", default_value = "500", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) batch: u16,
    /// How long to retry while the gateway does not answer or is overloaded
    #[arg(long, value_name = "SECONDS", default_value = "300")]
    pub(crate) give_up_after: u64,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}
