//! Webhooks: tell back ends what happened, by the Standard Webhooks specification (<https://www.standardwebhooks.com>).
//!
//! | file | has |
//! | --- | --- |
//! | `mod.rs` | [`WebhookDispatcher`]: sees to it that each enabled webhook whose lane is this node's has a worker |
//! | `worker.rs` | one webhook's events: order, retries, what is under way |
//! | `context.rs` | what the workers of all webhooks share |
//! | `changes.rs` | tells them that webhooks were changed, or that there is something to deliver |
//! | `attempt.rs` | one attempt: what is posted, and what became of it |
//! | `client.rs` | one request |
//! | `address.rs` | where a request may go |
//! | `sign.rs` | secrets and signatures |
//! | `expiring.rs` | looks for permits that expire soon, as long as somebody wants to hear of it |
//!
//! The events are the store's: each is written in the transaction that made it true, and stays there until it is old. So
//! nothing here is in anybody's way, and nothing is lost when it stops: a worker goes on at its webhook's cursor.

mod address;
mod attempt;
mod changes;
mod client;
mod context;
mod expiring;
pub(crate) mod sign;
mod worker;

use std::collections::HashMap;

use hongyan_ledger::WebhookId;
use tokio::task::{Id, JoinSet};

use crate::pace;
use crate::stop::Stop;

pub use address::{AddressRules, InvalidUrl, MAX_URL_BYTES};
pub use changes::Changes;
pub use client::{Client, ClientError};
pub use context::DeliveryContext;
pub use expiring::Expiring;
pub use sign::{SECRET_PREFIX, new_secret};

use worker::WebhookWorker;

/// Starts and ends workers.
pub struct WebhookDispatcher {
    context: DeliveryContext,
}

impl WebhookDispatcher {
    /// Its workers share this context.
    pub fn new(context: DeliveryContext) -> Self {
        Self { context }
    }

    /// Runs until it is told to stop, and the workers have stored what they know.
    pub async fn run(self, stop: Stop) {
        let mut changed = self.context.changes.watch();
        let mut lanes = self.context.owned.watch();
        let mut workers = JoinSet::new();
        let mut running: HashMap<Id, WebhookId> = HashMap::new();
        while !stop.is_stopping() {
            changed.mark_unchanged();
            lanes.mark_unchanged();
            match self.context.store.webhooks().await {
                Ok(webhooks) => {
                    for start in webhooks.into_iter().filter(|start| start.record.disabled.is_none()) {
                        let id = start.record.id;
                        let Some(epoch) = self.context.owned.epoch(id.lane()) else { continue };
                        if !running.values().any(|&other| other == id) {
                            // It hears also of what was changed since the list was read.
                            let worker = WebhookWorker::new(
                                self.context.clone(),
                                start,
                                epoch,
                                changed.clone(),
                                stop.clone(),
                            );
                            running.insert(workers.spawn(worker.run()).id(), id);
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
                Some(ended) = workers.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    running.remove(&id);
                }
                () = stop.stopping() => {}
            }
        }
        while workers.join_next().await.is_some() {}
    }
}
