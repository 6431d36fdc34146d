//! The parts that the workers of all webhooks share.

use std::sync::Arc;

use hongyan_clock::Clock;
use hongyan_store::Store;

use super::changes::Changes;
use super::client::Client;
use crate::report::Report;
use crate::state::owned::Owned;
use crate::traces::Traces;
use crate::vault::Vault;

/// The parts that deliveries need. Clones share everything.
#[derive(Clone)]
pub struct DeliveryContext {
    /// The store of the events.
    pub store: Arc<dyn Store>,
    /// Decrypts the secrets that sign.
    pub vault: Arc<Vault>,
    /// The time.
    pub clock: Clock,
    /// Counts deliveries.
    pub report: Report,
    /// Sends the requests.
    pub client: Client,
    /// Signals changes of webhooks.
    pub changes: Changes,
    /// The most requests to one webhook that may be under way.
    pub at_once: usize,
    /// The lanes of this node. The node that has the lane of a webhook delivers to it.
    pub owned: Owned,
    /// Makes the spans of deliveries.
    pub traces: Traces,
}
