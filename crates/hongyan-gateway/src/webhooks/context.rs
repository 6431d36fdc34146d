//! What the workers of all webhooks share.

use std::sync::Arc;

use hongyan_clock::Clock;
use hongyan_store::Store;

use super::changes::Changes;
use super::client::Client;
use crate::report::Report;
use crate::state::owned::Owned;
use crate::vault::Vault;

/// What delivering works with. Clones share everything.
#[derive(Clone)]
pub struct DeliveryContext {
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
