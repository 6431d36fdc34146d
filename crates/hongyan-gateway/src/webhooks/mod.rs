//! Webhooks: tell back ends what happened, by the Standard Webhooks specification (<https://www.standardwebhooks.com>).
//!
//! | file | has |
//! | --- | --- |
//! | `mod.rs` | [`Postmaster`]: sees to it that each enabled webhook whose lane is this node's has a courier |
//! | `courier.rs` | one webhook's events: order, retries, what is under way |
//! | `client.rs` | one request |
//! | `address.rs` | where a request may go |
//! | `sign.rs` | secrets and signatures |
//! | `expiring.rs` | looks for permits that expire soon, as long as somebody wants to hear of it |
//!
//! The events are the store's: each is written in the transaction that made it true, and stays there until it is old. So
//! nothing here is in anybody's way, and nothing is lost when it stops: a courier goes on at its webhook's cursor.

mod address;
mod client;
mod courier;
mod expiring;
pub(crate) mod sign;

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_clock::Clock;
use hongyan_ledger::WebhookId;
use hongyan_store::Store;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use crate::pace;
use crate::report::Report;
use crate::state::owned::Owned;
use crate::stop::Stop;
use crate::vault::Vault;

pub use address::{AddressRules, InvalidUrl, MAX_URL_BYTES};
pub use client::{Client, ClientError};
pub use expiring::Expiring;
pub use sign::{SECRET_PREFIX, new_secret};

use courier::Courier;

/// Tells those who deliver that webhooks were changed, or that there is something to deliver. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// How often webhooks were changed.
    changed: Arc<watch::Sender<u64>>,
    /// The number of the last event that was stored since the start.
    told: Arc<watch::Sender<i64>>,
}

impl Changes {
    /// A webhook was set up, changed or forgotten, or is to be told something once more.
    pub fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// The event with this number is stored.
    pub fn told(&self, number: i64) {
        self.told.send_replace(number);
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn watch_events(&self) -> watch::Receiver<i64> {
        self.told.subscribe()
    }
}

/// What delivering works with. Clones share everything.
#[derive(Clone)]
pub struct Postmaster {
    /// Where the events are.
    pub store: Arc<dyn Store>,
    /// Opens the secrets that sign.
    pub vault: Arc<Vault>,
    /// The time.
    pub clock: Clock,
    /// What counts deliveries.
    pub report: Report,
    /// Who asks.
    pub client: Client,
    /// Whether webhooks were changed.
    pub changes: Changes,
    /// How many requests to one webhook may be under way at a time.
    pub at_once: usize,
    /// Which lanes are this node's: a webhook is delivered to by the node that has its lane.
    pub owned: Owned,
}

impl Postmaster {
    /// Runs until it is told to stop, and the couriers have stored what they know.
    pub async fn run(self, stop: Stop) {
        let mut changed = self.changes.watch();
        let mut lanes = self.owned.watch();
        let mut couriers = JoinSet::new();
        let mut running: HashMap<Id, WebhookId> = HashMap::new();
        while !stop.is_stopping() {
            changed.mark_unchanged();
            lanes.mark_unchanged();
            match self.store.webhooks().await {
                Ok(webhooks) => {
                    for start in webhooks.into_iter().filter(|start| start.record.disabled.is_none()) {
                        let id = start.record.id;
                        let Some(epoch) = self.owned.epoch(id.lane()) else { continue };
                        if !running.values().any(|&other| other == id) {
                            // It hears also of what was changed since the list was read.
                            let courier =
                                Courier::new(self.clone(), start, epoch, changed.clone(), stop.clone());
                            running.insert(couriers.spawn(courier.run()).id(), id);
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the webhooks cannot be read; trying again");
                    pace::store_failed().await;
                    continue;
                }
            }
            tokio::select! {
                // The sender lives in `self`.
                _ = changed.changed() => {}
                _ = lanes.changed() => {}
                // Its webhook was disabled or forgotten, or it panicked and has said so. Enabled again meanwhile, or
                // not: the list says.
                Some(ended) = couriers.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    running.remove(&id);
                }
                () = stop.stopping() => {}
            }
        }
        while couriers.join_next().await.is_some() {}
    }
}
