//! Answers that can take long: a page does not wait for them.
//!
//! A page gets the last answer and the moment of it, while the next one is on its way, or learns that there is no answer
//! yet. When an answer comes, open pages are drawn anew. An answer is kept the longer the more it cost, so that these
//! questions never take more than [`SHARE`] of the time of one processor each, however many people look.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::answers::Question;
use crate::api::Address;
use crate::refusal::Refusal;
use crate::visit::Visit;

/// So long a page waits for an answer. Most come sooner.
const PATIENCE: Duration = Duration::from_millis(30);

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
struct Kept {
    value: Arc<Value>,
    at: UnixMillis,
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

impl Visit {
    /// Reads something that can take long; nothing, if there is no answer yet. `name` says what the question is about, and
    /// stays the same when its address moves with time.
    pub(crate) async fn get_slow<T: DeserializeOwned>(
        &self,
        name: String,
        address: Address,
    ) -> Result<Option<Counted<T>>, Refusal> {
        let apps = self.person.apps.as_ref().map(|apps| apps.iter().map(ToString::to_string).collect());
        let question = (name, apps, self.person.role.name());
        let slow = &self.console.slow;
        let asking = slow.with(&question, |entry| {
            if entry.last.as_ref().is_some_and(|last| last.is_fresh(self.is_refresh)) {
                return None;
            }
            if !entry.is_asking() {
                entry.asking = Some(self.ask_in_background(question.clone(), address));
            }
            entry.asking.clone()
        });
        if let Some(mut asking) = asking {
            // In time or not: the entry says what there is.
            let _ = timeout(PATIENCE, asking.changed()).await;
        }
        let (last, refusal) = slow.with(&question, |entry| (entry.last.clone(), entry.refusal.clone()));
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let Some(Kept { value, at, .. }) = last else { return Ok(None) };
        let value = T::deserialize(&*value).map_err(Refusal::unreadable)?;
        Ok(Some(Counted { value, at }))
    }

    fn ask_in_background(&self, question: Question, address: Address) -> watch::Receiver<()> {
        let (answered, asking) = watch::channel(());
        let visit = self.clone();
        tokio::spawn(async move {
            let (asked, at) = (Instant::now(), visit.console.gateway.clock.now());
            let answer = visit.get::<Value>(&address).await;
            visit.console.slow.with(&question, |entry| match answer {
                Ok(value) => {
                    let kept = Kept { value: Arc::new(value), at, asked, took: asked.elapsed() };
                    (entry.last, entry.refusal) = (Some(kept), None);
                }
                Err(refusal) => (entry.last, entry.refusal) = (None, Some(refusal)),
            });
            answered.send_replace(());
            // A page that is drawn already shows an older answer, or none.
            if asked.elapsed() > PATIENCE {
                visit.console.live.ring();
            }
        });
        asking
    }
}
