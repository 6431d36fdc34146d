//! What all measurements share: what is measured, with how much, where, and the sink.

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
    /// The gateway, with a webhook that is told of every message
    GatewayWebhook,
    /// A tutorial's Node script, nothing stored
    Tutorial,
    /// BullMQ on Redis, every write on disk before it is answered
    Bullmq,
    /// How fast the gateway accepts at half of its peak load
    HalfLoad,
    /// What passing a call through the facade costs
    Facade,
    /// How fast WeChat's pushes are answered
    Callbacks,
    /// What a message costs with few and with many stored ones
    History,
    /// Start, memory and punctuality with many scheduled messages
    Scheduled,
    /// The sandbox's own speed
    Sandbox,
}

impl Part {
    /// Its name on the command line and in the tables.
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
            Self::Sandbox => "sandbox",
        }
    }

    /// Whether it is one of those that carry the same messages.
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

    /// Whether it stands on programs that this project does not build.
    pub(crate) const fn is_foreign(self) -> bool {
        matches!(self, Self::Tutorial | Self::Bullmq)
    }

    /// Whether it takes many minutes, for the rows that it needs.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::History | Self::Scheduled)
    }
}

/// What all measurements share.
pub(crate) struct Bench {
    pub(crate) hongyan: PathBuf,
    pub(crate) messages: u32,
    pub(crate) connections: u32,
    pub(crate) users: u32,
    pub(crate) rounds: u32,
    /// How many stored messages are many.
    pub(crate) history: u32,
    pub(crate) sink: Sink,
    /// Where databases are put.
    pub(crate) root: PathBuf,
    repository: PathBuf,
    missing: HashMap<Part, String>,
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
            history: args.history,
            sink: Sink::start().await?,
            root: args.dir.clone(),
            repository: args.repository.clone(),
            missing: args.missing.iter().cloned().collect(),
        })
    }

    /// A new directory, gone when it is dropped.
    pub(crate) fn dir(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix("hongyan-bench-")
            .tempdir_in(&self.root)
            .map_err(|error| format!("cannot make a directory in {}: {error}", self.root.display()))
    }

    /// The programs in other languages.
    pub(crate) fn rivals(&self) -> PathBuf {
        self.repository.join("bench/rivals")
    }

    /// The repository that the measured binary was built from.
    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Why this cannot be measured, if it is known from the start.
    pub(crate) fn missing(&self, part: Part) -> Option<String> {
        self.missing.get(&part).cloned()
    }
}

/// Says what is going on, to whoever waits at the terminal.
pub(crate) fn say(what: &str) {
    eprintln!("-- {what}");
}
