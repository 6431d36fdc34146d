//! Answers of the API that all viewers of a moment share: ten people who look at the figures cost what one costs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::refusal::Refusal;

/// The most answers that are kept. Beyond that the old ones go first, and then nothing is kept.
const MAX_KEPT: usize = 256;

/// Who may see what is a part of the question: two people with the same apps and role get the same answer.
pub(crate) type Question = (String, Option<Vec<String>>, &'static str);

pub(crate) type Cell = Arc<OnceCell<Result<Arc<Value>, Refusal>>>;

/// What was answered a moment ago, each until it is too old to be shown.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<Question, (Instant, Cell)>>);

impl Answers {
    /// The place of an answer: one asks, and who comes meanwhile waits for it. The answer is shown to others for so long.
    pub(crate) fn cell(&self, question: Question, fresh: Duration) -> Cell {
        let now = Instant::now();
        // Whole after any panic; held for a look-up.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, cell)) = kept.get(&question)
            && now < *until
        {
            return Arc::clone(cell);
        }
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (until, _)| now < *until);
        }
        let cell = Cell::default();
        if kept.len() < MAX_KEPT {
            kept.insert(question, (now + fresh, Arc::clone(&cell)));
        }
        cell
    }
}
