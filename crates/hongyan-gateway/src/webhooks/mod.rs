//! Webhooks: tell back ends about events, by the Standard Webhooks specification (<https://www.standardwebhooks.com>).
//!
//! | file | has |
//! | --- | --- |
//! | `mod.rs` | [`WebhookDispatcher`]: keeps a worker for each enabled webhook whose lane this node has |
//! | `worker.rs` | the events of one webhook: order, retries, requests under way |
//! | `context.rs` | the parts that the workers of all webhooks share |
//! | `changes.rs` | signals to the workers: webhooks were changed, or there are events to deliver |
//! | `attempt.rs` | one attempt: the request and its outcome |
//! | `client.rs` | one request |
//! | `address.rs` | the addresses that a request may go to |
//! | `invalid_url.rs` | why a webhook cannot have a URL |
//! | `sign.rs` | secrets and signatures |
//! | `expiring.rs` | looks for permits that expire soon, while a webhook subscribes to these events |
//!
//! The store holds the events. Each event is written in the transaction that makes it true, and stays until retention
//! removes it. So webhooks delay nothing else, and a stop loses nothing: a worker continues at its webhook's cursor.

mod address;
mod attempt;
mod changes;
mod client;
mod context;
mod expiring;
mod invalid_url;
pub(crate) mod sign;
mod worker;

use std::collections::HashMap;

use hongyan_ledger::WebhookId;
use tokio::task::{Id, JoinSet};

use crate::pace;
use crate::stop::Stop;

pub use address::AddressRules;
pub use changes::Changes;
pub use client::{Client, ClientError};
pub use context::DeliveryContext;
pub use expiring::Expiring;
pub use invalid_url::{InvalidUrl, MAX_URL_BYTES};
pub use sign::{SECRET_PREFIX, check_secret, is_signed_by, new_secret};

use worker::WebhookWorker;

/// Starts and ends workers.
pub struct WebhookDispatcher {
    context: DeliveryContext,
}

impl WebhookDispatcher {
    /// The workers share this context.
    pub fn new(context: DeliveryContext) -> Self {
        Self { context }
    }

    /// Runs until the stop, and until the workers have stored their outcomes.
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
                            // The worker also sees changes since the list was read.
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
                // The webhook was disabled or deleted, or the worker panicked and has reported the panic. The next list says
                // whether the webhook is enabled again.
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
