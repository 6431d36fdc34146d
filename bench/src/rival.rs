//! The programs that the gateway is compared with and that are written here. Each is a process of its own: this
//! binary, started as `hongyan-bench rival NAME`.
//!
//! | module | is |
//! | --- | --- |
//! | [`bare`] | accepting and forwarding, nothing stored |
//! | [`forwarder`] | a minimal durable forwarder: the yardstick |
//! | [`ledger`] | the forwarder on the gateway's store: what that costs when nothing else is there |
//! | [`journal`] | the forwarder's rows, and the thread that writes them |
//! | [`serve`] | the HTTP server that they have |
//! | [`send`] | the workers' kept connections to WeChat |
//! | [`body`] | WeChat's request, made from the message |

mod bare;
mod body;
mod forwarder;
mod journal;
mod ledger;
mod send;
mod serve;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::Result;

pub(crate) use journal::{SENT, States};

/// How many requests to WeChat are under way at a time, each on its own kept connection. As the gateway's
/// `connections`.
const WORKERS: u32 = 64;

#[derive(Debug, Parser)]
pub(crate) struct Rival {
    #[command(subcommand)]
    name: Name,
    /// Where WeChat is
    #[arg(long, global = true, default_value = "")]
    wechat: String,
}

#[derive(Debug, Subcommand)]
enum Name {
    /// Accepts and forwards; stores nothing
    Bare,
    /// Accepts, stores durably, forwards, stores that durably
    Forwarder {
        /// The database's file
        #[arg(long)]
        database: PathBuf,
    },
    /// The forwarder on the gateway's store
    ForwarderLedger {
        /// The database's file
        #[arg(long)]
        database: PathBuf,
        /// How many users hold permits
        #[arg(long)]
        users: u32,
        /// Messages that may be sent to each
        #[arg(long)]
        units: u32,
    },
}

/// Runs it until it is told to stop.
pub(crate) async fn run(rival: Rival) -> Result {
    match rival.name {
        Name::Bare => bare::run(&rival.wechat).await,
        Name::Forwarder { database } => forwarder::run(&rival.wechat, &database).await,
        Name::ForwarderLedger { database, users, units } => {
            ledger::run(&rival.wechat, &database, users, units).await
        }
    }
}

/// How many of the forwarder's rows are in which state; for a forwarder that has ended.
pub(crate) fn states(database: &Path) -> Result<States> {
    journal::states(database)
}
