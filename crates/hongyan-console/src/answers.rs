//! Answers of the API that all viewers of a moment share: ten people who look at the figures cost what one costs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::refusal::Refusal;

/// So long an answer is shown to others.
const FRESH: Duration = Duration::from_secs(1);

/// The most answers that are kept. Beyond that the old ones go first, and then nothing is kept.
const MAX_KEPT: usize = 256;

/// Who may see what is a part of the question: two people with the same apps and role get the same answer.
pub(crate) type Question = (String, Option<Vec<String>>, &'static str);

pub(crate) type Cell = Arc<OnceCell<Result<Arc<Value>, Refusal>>>;

/// What was answered a moment ago.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<Question, (Instant, Cell)>>);

impl Answers {
    /// The place of an answer: one asks, and who comes meanwhile waits for it.
    pub(crate) fn cell(&self, question: Question) -> Cell {
        let now = Instant::now();
        // Whole after any panic; held for a look-up.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, cell)) = kept.get(&question)
            && now.duration_since(*at) < FRESH
        {
            return Arc::clone(cell);
        }
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (at, _)| now.duration_since(*at) < FRESH);
        }
        let cell = Cell::default();
        if kept.len() < MAX_KEPT {
            kept.insert(question, (now, Arc::clone(&cell)));
        }
        cell
    }
}
