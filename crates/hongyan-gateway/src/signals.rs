//! Signals: hears what follows from each commit, and passes it on to whom it concerns.
//!
//! ```text
//! store: a verb says it ─▶ commit ─▶ here ─┬─▶ timers: when to look at which lane (messages, events of WeChat's)
//!                                          ├─▶ report: counts, callers who wait
//!                                          ├─▶ apps: the snapshot is stale (`keep_current` reads it back)
//!                                          ├─▶ webhooks: changed, something to tell
//!                                          ├─▶ lanes: a node came or went, a lane is free
//!                                          └─▶ keys, gateway tokens: one was revoked
//! ```
//!
//! This is the only place that does so: whoever calls a verb has nothing to ring. All of it is done by the thread that
//! writes, before the callers of the verbs are answered, so whatever follows from a commit is under way when its caller
//! hears of the commit. That is short: moments, counters and flags, of which each takes a lock for an instant; nothing
//! queues up, for each is one value that the next signal replaces.

use hongyan_ledger::Lane;
use hongyan_store::signals::{Listener, Signal, Signals};

use crate::apps::Apps;
use crate::lanes::LaneChanges;
use crate::report::Report;
use crate::secret_cache::Revocations;
use crate::state::owned::Owned;
use crate::state::timers::Timers;
use crate::webhooks::Changes;

/// Whom signals concern.
pub struct SignalHandler {
    /// When to look at which lane's messages.
    pub timers: Timers,
    /// When to look at which lane's events.
    pub event_timers: Timers,
    /// Which lanes are this node's.
    pub owned: Owned,
    /// Whether it may be this node's turn to have another lane.
    pub lanes: LaneChanges,
    /// Keys and handed-out tokens that are remembered.
    pub revoked: Revocations,
    /// Counts, and callers who wait.
    pub report: Report,
    /// The snapshot of the apps.
    pub apps: Apps,
    /// Who tells webhooks.
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
                // All nodes hear of it; the one that has its lane counts it.
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
