//! A value that one task at a time fetches again now and then, and that everybody reads without a lock.
//!
//! Values have *generations*, which only grow. The credentials that a value is fetched with have *epochs*: when they change,
//! an answer that was asked for under an old epoch does not count, however late it comes.

use crate::primitives::{Arc, Mutex, MutexGuard, Swap, lock};

/// The value, and notes `N` about fetching it.
#[derive(Debug)]
pub struct Versions<T, N> {
    current: Swap<T>,
    state: Mutex<State<N>>,
}

#[derive(Debug)]
struct State<N> {
    /// The last generation that was installed, even if its value was forgotten.
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
    /// The current value.
    pub fn current(&self) -> Option<Arc<T>> {
        self.current.load()
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// The last generation that was installed.
    pub fn last_generation(&self) -> u64 {
        self.state().last_generation
    }

    /// Begins a new epoch: drops the value and all notes, which belong to the old epoch.
    pub fn forget(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.notes = N::default();
        self.current.store(None);
    }

    /// Takes a value that was fetched in this epoch, and clears the notes. Returns `false` if the epoch is over. An older
    /// generation never replaces a newer one.
    pub fn install(&self, value: &Arc<T>, generation: u64, epoch: u64) -> bool {
        let mut state = self.state();
        if state.epoch != epoch {
            return false;
        }
        if generation >= state.last_generation {
            state.last_generation = generation;
            state.notes = N::default();
            // Store the value under the lock. Otherwise `forget` could run in between, and a value of the old epoch would
            // appear under the new one.
            self.current.store(Some(Arc::clone(value)));
        }
        true
    }

    /// Changes the notes, if the epoch is still this one.
    pub fn note_in(&self, epoch: u64, change: impl FnOnce(&mut N)) -> bool {
        let mut state = self.state();
        let is_now = state.epoch == epoch;
        if is_now {
            change(&mut state.notes);
        }
        is_now
    }

    /// Reads or changes the notes, in any epoch.
    pub fn notes<R>(&self, work: impl FnOnce(&mut N) -> R) -> R {
        work(&mut self.state().notes)
    }

    fn state(&self) -> MutexGuard<'_, State<N>> {
        lock(&self.state)
    }
}
