//! Jobs: what dispatch and settle hand to each other.

use hongyan_ledger::breaker::Evidence;
use hongyan_ledger::settle::Outcome;
use hongyan_store::types::Claimed;

use crate::slots::Slot;
use crate::state::owned::Flight;

/// A claimed message on its way.
pub struct Job {
    /// The message.
    pub claimed: Box<Claimed>,
    /// Its place.
    pub slot: Slot,
    /// Its lane is not given up before it has landed.
    pub(crate) flight: Flight,
}

/// An attempt that has ended.
pub struct Done {
    /// What was attempted.
    pub job: Job,
    /// How it ended.
    pub outcome: Outcome,
    /// What that says about WeChat.
    pub evidence: Evidence,
}
