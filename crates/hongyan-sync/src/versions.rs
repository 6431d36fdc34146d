//! A value that is fetched anew now and then, by whoever has the turn, and read by everybody without a lock.
//!
//! Values have *generations*, which only grow. What they are fetched with has *epochs*: when that changes, what was
//! asked with the old one does not count any more, however late its answer comes.

use crate::primitives::{Arc, Mutex, MutexGuard, Swap, lock};

/// The value, and notes `N` of what is known about getting one.
#[derive(Debug)]
pub struct Versions<T, N> {
    current: Swap<T>,
    state: Mutex<State<N>>,
}

#[derive(Debug)]
struct State<N> {
    /// The last generation that was installed, also if its value is forgotten.
    last_generation: u64,
    epoch: u64,
    notes: N,
}

impl<T, N: Default> Default for Versions<T, N> {
    fn default() -> Self {
        let state = State { last_generation: 0, epoch: 0, notes: N::default() };
        Self { current: Swap::empty(), state: Mutex::new(state) }
    }
}

impl<T, N: Default> Versions<T, N> {
    /// The value at hand.
    pub fn current(&self) -> Option<Arc<T>> {
        self.current.load()
    }

    /// Which epoch it is.
    pub fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// The last generation that was installed.
    pub fn last_generation(&self) -> u64 {
        self.state().last_generation
    }

    /// A new epoch: the value and all notes belong to the old one.
    pub fn forget(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.notes = N::default();
        self.current.store(None);
    }

    /// Takes a value that was fetched in this epoch, and clears the notes; `false` if the epoch is over. An older
    /// generation never replaces a newer one.
    pub fn install(&self, value: &Arc<T>, generation: u64, epoch: u64) -> bool {
        let mut state = self.state();
        if state.epoch != epoch {
            return false;
        }
        if generation >= state.last_generation {
            state.last_generation = generation;
            state.notes = N::default();
            // Under the lock, so that an epoch that ends now ends after this.
            self.current.store(Some(Arc::clone(value)));
        }
        true
    }

    /// Changes the notes, if it is still this epoch.
    pub fn note_in(&self, epoch: u64, change: impl FnOnce(&mut N)) -> bool {
        let mut state = self.state();
        let is_now = state.epoch == epoch;
        if is_now {
            change(&mut state.notes);
        }
        is_now
    }

    /// Reads or changes the notes, whatever epoch it is.
    pub fn notes<R>(&self, work: impl FnOnce(&mut N) -> R) -> R {
        work(&mut self.state().notes)
    }

    fn state(&self) -> MutexGuard<'_, State<N>> {
        lock(&self.state)
    }
}
