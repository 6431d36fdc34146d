//! Counts the results of the load.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The counters that must not be zero after a run.
const MUST_HAPPEN: &[&str] = &[
    "batch accepted",
    "batch settled",
    "message sent",
    "message repeated",
    "permits granted",
    "message failed",
    "message unknown, resolved",
    "message cancelled",
    "message collapsed or expired",
    "message refused",
    "facade send",
    "facade call passed on",
    "facade token",
    "login",
    "subscription pushed",
    "page of messages",
];

/// Counters by name. A counter is made at its first event.
#[derive(Debug, Default)]
pub(super) struct Counts {
    accepted: AtomicU64,
    others: Mutex<BTreeMap<&'static str, u64>>,
    /// The first words of the first unexpected errors.
    surprises: Mutex<Vec<String>>,
}

/// The number of unexpected errors that are shown.
const MAX_SURPRISES: usize = 10;

impl Counts {
    pub(super) fn accept(&self, messages: u64) {
        self.accepted.fetch_add(messages, Ordering::Relaxed);
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, what: &'static str) {
        *self.others.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }

    /// The value of a counter.
    pub(super) fn of(&self, what: &'static str) -> u64 {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).get(what).copied().unwrap_or_default()
    }

    /// Counts an unexpected error.
    pub(super) fn surprise(&self, what: &'static str, words: &str) {
        self.add(what);
        let mut surprises = self.surprises.lock().unwrap_or_else(PoisonError::into_inner);
        if surprises.len() < MAX_SURPRISES {
            let words: String = words.chars().take(300).collect();
            surprises.push(format!("{what}: {words}"));
        }
    }

    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        for (what, count) in &*self.others.lock().unwrap_or_else(PoisonError::into_inner) {
            writeln!(text, "{count:>10}  {what}").expect("a string takes any text");
        }
        for words in &*self.surprises.lock().unwrap_or_else(PoisonError::into_inner) {
            writeln!(text, "  surprise: {words}").expect("a string takes any text");
        }
        text
    }

    /// The counters that are zero and must not be.
    pub(super) fn what_is_missing(&self) -> Option<String> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<_> = MUST_HAPPEN.iter().copied().filter(|what| !others.contains_key(what)).collect();
        (!missing.is_empty())
            .then(|| format!("these things never happened under the load: {}", missing.join(", ")))
    }
}
