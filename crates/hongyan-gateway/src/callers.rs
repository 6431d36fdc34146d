//! The numbers by which stored messages name their callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hongyan_store::types::{CallerId, CallerNumber};
use hongyan_store::{Store, StoreError};

/// The numbers of the callers that have sent messages since the start. A number never changes, and callers are few.
pub struct Callers {
    store: Arc<dyn Store>,
    known: Mutex<HashMap<CallerId, CallerNumber>>,
}

impl Callers {
    /// No caller is known yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// The number of a caller; only the caller's first message asks the store for it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn number(&self, caller: CallerId) -> Result<CallerNumber, StoreError> {
        let known = self.known().get(&caller).copied();
        if let Some(number) = known {
            return Ok(number);
        }
        let number = self.store.caller(caller).await?;
        self.known().insert(caller, number);
        Ok(number)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<CallerId, CallerNumber>> {
        // Whole after any panic; held for one look.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
