//! What all measurements share: the parts, the amounts, the directories and the sink.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::Result;
use crate::args::Args;
use crate::sink::Sink;

/// One thing that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// Accept and forward over HTTP, nothing stored
    Bare,
    /// A minimal durable forwarder on SQLite: the yardstick
    Forwarder,
    /// The same forwarder on the gateway's store: permits, keys and order, without the gateway
    ForwarderLedger,
    /// The gateway with everything on, one message a request
    Gateway,
    /// The gateway with everything on, 100 messages a request
    GatewayBatch,
    /// The gateway with a webhook that gets an event for every message
    GatewayWebhook,
    /// A tutorial's Node script, nothing stored
    Tutorial,
    /// BullMQ on Redis, every write on disk before it is answered
    Bullmq,
    /// How fast the gateway accepts at half of its peak load
    HalfLoad,
    /// What a call through the facade costs
    Facade,
    /// How fast the gateway answers WeChat's pushes
    Callbacks,
    /// What a message costs with few and with many stored messages
    History,
    /// Start, memory and punctuality with many scheduled messages
    Scheduled,
    /// The console's pages with many stored messages and a load, and what open pages cost delivery
    Console,
    /// The speed of the sandbox alone
    Sandbox,
}

impl Part {
    /// The part's name on the command line and in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Forwarder => "forwarder",
            Self::ForwarderLedger => "forwarder-ledger",
            Self::Gateway => "gateway",
            Self::GatewayBatch => "gateway-batch",
            Self::GatewayWebhook => "gateway-webhook",
            Self::Tutorial => "tutorial",
            Self::Bullmq => "bullmq",
            Self::HalfLoad => "half-load",
            Self::Facade => "facade",
            Self::Callbacks => "callbacks",
            Self::History => "history",
            Self::Scheduled => "scheduled",
            Self::Console => "console",
            Self::Sandbox => "sandbox",
        }
    }

    /// Whether the part is a program that sends the messages of the contest.
    pub(crate) const fn is_contestant(self) -> bool {
        matches!(
            self,
            Self::Bare
                | Self::Forwarder
                | Self::ForwarderLedger
                | Self::Gateway
                | Self::GatewayBatch
                | Self::GatewayWebhook
        ) || self.is_foreign()
    }

    /// Whether the part needs programs that this project does not build.
    pub(crate) const fn is_foreign(self) -> bool {
        matches!(self, Self::Tutorial | Self::Bullmq)
    }

    /// Whether the part takes many minutes, because it stores millions of rows first.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::History | Self::Scheduled | Self::Console)
    }
}

/// What all measurements share.
pub(crate) struct Bench {
    pub(crate) hongyan: PathBuf,
    pub(crate) messages: u32,
    pub(crate) connections: u32,
    pub(crate) users: u32,
    pub(crate) rounds: u32,
    /// Messages that are stored for [`Part::History`] and [`Part::Scheduled`].
    pub(crate) history: u32,
    pub(crate) sink: Sink,
    /// Directory of the databases.
    pub(crate) root: PathBuf,
    repository: PathBuf,
    missing: HashMap<Part, String>,
}

impl Bench {
    /// Starts the sink, too.
    pub(crate) async fn start(args: &Args) -> Result<Self> {
        Ok(Self {
            hongyan: args.hongyan.clone(),
            messages: args.messages,
            connections: args.concurrency,
            users: args.users,
            rounds: args.rounds,
            history: args.history,
            sink: Sink::start().await?,
            root: args.dir.clone(),
            repository: args.repository.clone(),
            missing: args.missing.iter().cloned().collect(),
        })
    }

    /// A new directory, which is deleted on drop.
    pub(crate) fn dir(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix("hongyan-bench-")
            .tempdir_in(&self.root)
            .map_err(|error| format!("cannot make a directory in {}: {error}", self.root.display()))
    }

    /// Directory of the programs in other languages.
    pub(crate) fn rivals(&self) -> PathBuf {
        self.repository.join("bench/rivals")
    }

    /// The repository that the measured binary was built from.
    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Why the part cannot be measured, if that is known before the start.
    pub(crate) fn missing(&self, part: Part) -> Option<String> {
        self.missing.get(&part).cloned()
    }
}

/// Prints progress to standard error.
pub(crate) fn say(what: &str) {
    eprintln!("-- {what}");
}
