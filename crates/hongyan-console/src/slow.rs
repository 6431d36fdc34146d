//! Answers that can take long: a page does not wait for them.
//!
//! A page gets the last answer and the moment of it, while the next one is on its way, or learns that there is no answer
//! yet. When an answer comes, open pages are drawn anew. An answer is kept the longer the more it cost, so that these
//! questions never take more than [`SHARE`] of the time of one processor each, however many people look.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answers::Question;
use crate::refusal::Refusal;

/// So long a page waits for an answer. Most come sooner.
pub(crate) const PATIENCE: Duration = Duration::from_millis(30);

/// An answer is kept for so many times of what it took: a question takes two percent of the time at most.
const SHARE: u32 = 50;

/// An answer that took less is asked for anew by whoever opens a page.
const CHEAP: Duration = Duration::from_millis(20);

/// An open page shows an answer for so long at least.
const FRESH: Duration = Duration::from_secs(1);

/// The most answers that are kept. Beyond that the oldest go first.
const MAX_KEPT: usize = 64;

/// An answer, and the moment at which it was true.
pub(crate) struct Counted<T> {
    pub(crate) value: T,
    pub(crate) at: UnixMillis,
}

/// An answer as it is kept.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) value: Arc<Value>,
    /// The moment at which it was true.
    pub(crate) at: UnixMillis,
    asked: Instant,
    took: Duration,
}

impl Kept {
    /// Whether it may be shown without being asked for anew.
    fn is_fresh(&self, is_refresh: bool) -> bool {
        let fresh = match self.took {
            took if took < CHEAP && !is_refresh => return false,
            took => FRESH.max(took * SHARE),
        };
        self.asked.elapsed() < fresh
    }
}

/// What is known of a question.
#[derive(Default)]
struct Entry {
    last: Option<Kept>,
    refusal: Option<Refusal>,
    /// Changes when the answer that is on its way has come, and is closed then.
    asking: Option<watch::Receiver<()>>,
}

impl Entry {
    /// Whether an answer is on its way.
    fn is_asking(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.has_changed().is_ok())
    }
}

/// Answers that can take long.
#[derive(Default)]
pub(crate) struct SlowAnswers(Mutex<HashMap<Question, Entry>>);

impl SlowAnswers {
    /// What tells when an answer comes that a page should wait for: the one that is on its way, or the one that `ask` begins to
    /// ask for. Nothing, if the last answer is fresh.
    pub(crate) fn awaited(
        &self,
        question: &Question,
        is_refresh: bool,
        ask: impl FnOnce() -> watch::Receiver<()>,
    ) -> Option<watch::Receiver<()>> {
        self.with(question, |entry| {
            if entry.last.as_ref().is_some_and(|last| last.is_fresh(is_refresh)) {
                return None;
            }
            if !entry.is_asking() {
                entry.asking = Some(ask());
            }
            entry.asking.clone()
        })
    }

    /// Keeps an answer that was asked for at this moment.
    pub(crate) fn keep(
        &self,
        question: &Question,
        (asked, at): (Instant, UnixMillis),
        answer: Result<Value, Refusal>,
    ) {
        self.with(question, |entry| match answer {
            Ok(value) => {
                let kept = Kept { value: Arc::new(value), at, asked, took: asked.elapsed() };
                (entry.last, entry.refusal) = (Some(kept), None);
            }
            Err(refusal) => (entry.last, entry.refusal) = (None, Some(refusal)),
        });
    }

    /// The last answer, if there is one.
    pub(crate) fn last(&self, question: &Question) -> Result<Option<Kept>, Refusal> {
        self.with(question, |entry| entry.refusal.clone().map_or_else(|| Ok(entry.last.clone()), Err))
    }

    /// Works on what is known of a question.
    fn with<T>(&self, question: &Question, work: impl FnOnce(&mut Entry) -> T) -> T {
        // Whole after any panic; held for a look-up.
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.contains_key(question) && entries.len() >= MAX_KEPT {
            let idle = entries.iter().filter(|(_, entry)| !entry.is_asking());
            let oldest = idle.min_by_key(|(_, entry)| entry.last.as_ref().map(|last| last.asked));
            if let Some(oldest) = oldest.map(|(question, _)| question.clone()) {
                entries.remove(&oldest);
            }
        }
        work(entries.entry(question.clone()).or_default())
    }
}
