//! The programs in Rust that the gateway is compared with. Each program is a separate process of this binary, started as
//! `hongyan-bench rival NAME`.
//!
//! | module | content |
//! | --- | --- |
//! | [`bare`] | accepts and forwards, stores nothing |
//! | [`forwarder`] | a minimal durable forwarder: the yardstick |
//! | [`ledger`] | the forwarder on the gateway's store: what the store alone costs |
//! | [`journal`] | the forwarder's rows, and the thread that writes them |
//! | [`serve`] | the HTTP server of all three |
//! | [`send`] | the workers' kept connections to WeChat |
//! | [`body`] | makes WeChat's request from the message |

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

/// The most simultaneous requests to WeChat, each on its own kept connection: the default of the gateway's `connections`.
const WORKERS: u32 = 64;

#[derive(Debug, Parser)]
pub(crate) struct Rival {
    #[command(subcommand)]
    name: Name,
    /// The URL of WeChat
    #[arg(long, global = true, default_value = "")]
    wechat: String,
}

#[derive(Debug, Subcommand)]
enum Name {
    /// Accepts and forwards; stores nothing
    Bare,
    /// Accepts a message, stores it durably, forwards it, and stores the outcome durably
    Forwarder {
        /// The database file
        #[arg(long)]
        database: PathBuf,
    },
    /// The forwarder on the gateway's store
    ForwarderLedger {
        /// The database file
        #[arg(long)]
        database: PathBuf,
        /// How many users hold permits
        #[arg(long)]
        users: u32,
        /// Messages that may be sent to each user
        #[arg(long)]
        units: u32,
    },
}

/// Runs the program until SIGTERM.
pub(crate) async fn run(rival: Rival) -> Result {
    match rival.name {
        Name::Bare => bare::run(&rival.wechat).await,
        Name::Forwarder { database } => forwarder::run(&rival.wechat, &database).await,
        Name::ForwarderLedger { database, users, units } => {
            ledger::run(&rival.wechat, &database, users, units).await
        }
    }
}

/// The number of the forwarder's rows in each state, after the forwarder has ended.
pub(crate) fn states(database: &Path) -> Result<States> {
    journal::states(database)
}
