//! What all measurements share: what is measured, with how much, where, and the sink.

use std::path::PathBuf;

use clap::ValueEnum;
use tempfile::TempDir;

use crate::Result;
use crate::args::Args;
use crate::sink::Sink;

/// One thing that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Accept and forward over HTTP, nothing stored
    Bare,
    /// A minimal durable forwarder on SQLite: the yardstick
    Forwarder,
    /// The gateway with everything on, one message a request
    Gateway,
    /// The gateway with everything on, 100 messages a request
    GatewayBatch,
}

impl Part {
    /// Its name on the command line and in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Forwarder => "forwarder",
            Self::Gateway => "gateway",
            Self::GatewayBatch => "gateway-batch",
        }
    }

    /// Whether it is one of those that carry the same messages.
    pub(crate) const fn is_contestant(self) -> bool {
        matches!(self, Self::Bare | Self::Forwarder | Self::Gateway | Self::GatewayBatch)
    }
}

/// What all measurements share.
pub(crate) struct Bench {
    pub(crate) hongyan: PathBuf,
    pub(crate) messages: u32,
    pub(crate) connections: u32,
    pub(crate) users: u32,
    pub(crate) rounds: u32,
    pub(crate) sink: Sink,
    root: PathBuf,
}

impl Bench {
    /// With a sink that is running.
    pub(crate) async fn start(args: &Args) -> Result<Self> {
        Ok(Self {
            hongyan: args.hongyan.clone(),
            messages: args.messages,
            connections: args.concurrency,
            users: args.users,
            rounds: args.rounds,
            sink: Sink::start().await?,
            root: args.dir.clone(),
        })
    }

    /// A new directory, gone when it is dropped.
    pub(crate) fn dir(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix("hongyan-bench-")
            .tempdir_in(&self.root)
            .map_err(|error| format!("cannot make a directory in {}: {error}", self.root.display()))
    }

    /// Says what is going on, to whoever waits at the terminal.
    #[expect(clippy::unused_self, reason = "whoever measures has it at hand")]
    pub(crate) fn say(&self, what: &str) {
        eprintln!("-- {what}");
    }
}
