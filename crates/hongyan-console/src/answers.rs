//! Answers of the API that all viewers share: ten people who look at the figures cost what one costs.
//!
//! Of what can take long, a page gets the last answer and the moment of it, while the next one is on its way, or learns that
//! there is no answer yet. When such an answer comes, open pages are drawn anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::refusal::Refusal;

/// How long a page waits for an answer, and how long others are shown the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// So long a page waits for an answer. Then it shows the last one.
    pub(crate) patience: Duration,
    /// An answer is kept for so many times of what it took.
    share: u32,
}

impl Terms {
    /// A page waits until the answer comes.
    pub(crate) const PROMPT: Self = Self { patience: Duration::MAX, share: 0 };

    /// A page waits for a moment: most answers come sooner. A question never takes more than two percent of the time of one
    /// processor, however many people look.
    pub(crate) const SLOW: Self = Self { patience: Duration::from_millis(30), share: 50 };
}

/// An open page shows an answer for so long at least. Somebody who opens a page is shown only an answer that is kept longer.
const FRESH: Duration = Duration::from_secs(1);

/// The most answers that are kept. Beyond that the oldest go first.
const MAX_KEPT: usize = 256;

/// Who may see what is a part of the question: two people with the same apps and role get the same answer.
pub(crate) type Question = (String, Option<Vec<String>>, &'static str);

/// An answer, and the moment at which it was true.
pub(crate) struct Counted<T> {
    pub(crate) value: T,
    pub(crate) at: UnixMillis,
}

/// An answer as it is kept.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) answer: Result<Arc<Value>, Refusal>,
    /// The moment at which it was true.
    pub(crate) at: UnixMillis,
    asked: Instant,
    took: Duration,
}

impl Kept {
    /// An answer that was asked for at this moment and has come now.
    pub(crate) fn new((asked, at): (Instant, UnixMillis), answer: Result<Value, Refusal>) -> Self {
        Self { answer: answer.map(Arc::new), at, asked, took: asked.elapsed() }
    }

    /// Whether it may be shown without being asked for anew.
    fn is_fresh(&self, terms: Terms, is_refresh: bool) -> bool {
        // A refusal may be over soon, however long it took.
        let kept = if self.answer.is_ok() { self.took * terms.share } else { Duration::ZERO };
        let is_kept = is_refresh || kept >= FRESH;
        is_kept && self.asked.elapsed() < kept.max(FRESH)
    }
}

/// What is known of a question.
#[derive(Default)]
struct Entry {
    last: Option<Kept>,
    /// Has the answer that is on its way, when it has come.
    asking: Option<watch::Receiver<Option<Kept>>>,
}

impl Entry {
    /// Whether an answer is on its way.
    fn is_asking(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.has_changed().is_ok())
    }
}

/// The answers to all questions.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<Question, Entry>>);

impl Answers {
    /// The answer that a page shows: the last one if it is fresh; else the one that is on its way, or that `ask` begins to ask
    /// for, if it comes soon enough; else the last one, if there is one.
    pub(crate) async fn get(
        &self,
        question: &Question,
        terms: Terms,
        is_refresh: bool,
        ask: impl FnOnce() -> watch::Receiver<Option<Kept>>,
    ) -> Option<Kept> {
        let (last, mut asking) = self.with(question, |entry| {
            if let Some(last) = &entry.last
                && last.is_fresh(terms, is_refresh)
            {
                return (Some(last.clone()), None);
            }
            if !entry.is_asking() {
                entry.asking = Some(ask());
            }
            (entry.last.clone(), entry.asking.clone())
        });
        if let Some(asking) = &mut asking
            && let Ok(Ok(come)) = timeout(terms.patience, asking.wait_for(Option::is_some)).await
        {
            return come.clone();
        }
        last
    }

    /// Keeps an answer.
    pub(crate) fn keep(&self, question: &Question, answer: Kept) {
        self.with(question, |entry| entry.last = Some(answer));
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
