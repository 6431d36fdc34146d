//! Signals: receives the consequences of each commit, and passes them to the parts that need them.
//!
//! ```text
//! store: a verb signals ─▶ commit ─▶ here ─┬─▶ timers: when to look at which lane (messages, events of WeChat's)
//!                                          ├─▶ report: counts, callers who wait
//!                                          ├─▶ apps: the snapshot is stale (`keep_current` reads it again)
//!                                          ├─▶ webhooks: changed, events to deliver
//!                                          ├─▶ lanes: a node joined or left, a lane is free
//!                                          └─▶ keys, gateway tokens: a revocation
//! ```
//!
//! Only this module does so: a caller of a verb signals nothing itself. The writer's thread runs all of it before the
//! callers of the verbs are answered, so the consequences of a commit are under way when its caller learns of the commit.
//! The work is short: moments, counters and flags, each behind a lock that is held for an instant. Nothing queues up,
//! because each is a value that the next signal replaces.

use hongyan_ledger::Lane;
use hongyan_store::signals::{Listener, Signal, Signals};

use crate::apps::Apps;
use crate::lanes::LaneChanges;
use crate::report::Report;
use crate::secret_cache::Revocations;
use crate::state::owned::Owned;
use crate::state::timers::Timers;
use crate::webhooks::Changes;

/// The receivers of signals.
pub struct SignalHandler {
    /// When to look at the messages of each lane.
    pub timers: Timers,
    /// When to look at the events of each lane.
    pub event_timers: Timers,
    /// The lanes of this node.
    pub owned: Owned,
    /// Signals that this node may acquire another lane.
    pub lanes: LaneChanges,
    /// Signals revoked keys and gateway tokens to the caches.
    pub revoked: Revocations,
    /// Counts, and tells waiting callers.
    pub report: Report,
    /// The snapshot of the apps.
    pub apps: Apps,
    /// Signals changes to the workers of webhooks.
    pub webhooks: Changes,
}

impl SignalHandler {
    fn is_held(&self, lane: Option<Lane>) -> bool {
        lane.is_some_and(|lane| self.owned.held(lane).is_some())
    }
}

impl Listener for SignalHandler {
    fn hear(&self, signals: &Signals) {
        for signal in signals.iter() {
            match signal {
                Signal::Scheduled { lane, at } => self.timers.ring(lane, at),
                Signal::Wake { lane, at } => self.timers.ring_ready(lane, at),
                Signal::Event { lane, at } => self.event_timers.ring_ready(lane, at),
                // Every node hears of it; the node that has the lane counts it.
                Signal::Moved(moved) => self.report.moved(&moved, self.is_held(moved.id.lane())),
                Signal::App(appid) => self.apps.mark_stale(appid),
                Signal::Webhooks => self.webhooks.tell(),
                Signal::WebhookEvent(_) => self.webhooks.event_stored(),
                Signal::Lanes => self.lanes.tell(),
                Signal::Revoked => self.revoked.tell(),
            }
        }
    }
}
