//! Jobs: the data that dispatch and settle pass to each other.

use hongyan_ledger::breaker::Evidence;
use hongyan_ledger::settle::Outcome;
use hongyan_store::types::Claimed;

use crate::slots::Slot;
use crate::state::owned::Flight;

/// A claimed message on its way to WeChat.
pub struct Job {
    /// The message.
    pub claimed: Box<Claimed>,
    /// The slot of the message.
    pub slot: Slot,
    /// Keeps the lane until the outcome is stored.
    pub(crate) flight: Flight,
}

/// An attempt that has ended.
pub struct Done {
    /// The message that was attempted.
    pub job: Job,
    /// How it ended.
    pub outcome: Outcome,
    /// What the outcome says about WeChat.
    pub evidence: Evidence,
}
