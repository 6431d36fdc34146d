//! A map of who waits for what, in which telling costs almost nothing while nobody waits.
//!
//! The promise needs this order: a waiter joins *before* it reads the truth (the store), and a teller writes the truth
//! *before* it tells. Then the waiter reads the truth or is told of it.

use std::collections::HashMap;
use std::hash::Hash;

use crate::primitives::{AtomicUsize, Mutex, Ordering, lock};

/// Waiters by the key that they wait for. `W` is the place where they are told.
#[derive(Debug)]
pub struct Waiters<K, W> {
    entries: Mutex<HashMap<K, W>>,
    /// The number of entries, so that the hot path can check it without the lock.
    count: AtomicUsize,
}

impl<K, W> Default for Waiters<K, W> {
    fn default() -> Self {
        Self { entries: Mutex::new(HashMap::new()), count: AtomicUsize::new(0) }
    }
}

impl<K: Eq + Hash, W> Waiters<K, W> {
    /// Joins those who wait for `key`. The first waiter makes the place.
    pub fn join<R>(&self, key: K, make: impl FnOnce() -> W, sit: impl FnOnce(&W) -> R) -> R {
        let mut entries = lock(&self.entries);
        let seat = sit(entries.entry(key).or_insert_with(make));
        self.count.store(entries.len(), Ordering::SeqCst);
        seat
    }

    /// Tells those who wait for `key`, if there are any.
    pub fn tell(&self, key: &K, say: impl FnOnce(&W)) {
        if self.count.load(Ordering::SeqCst) > 0
            && let Some(place) = lock(&self.entries).get(key)
        {
            say(place);
        }
    }

    /// Removes the place if nobody is left in it.
    pub fn leave(&self, key: &K, is_empty: impl FnOnce(&W) -> bool) {
        let mut entries = lock(&self.entries);
        if entries.get(key).is_some_and(is_empty) {
            entries.remove(key);
        }
        self.count.store(entries.len(), Ordering::SeqCst);
    }

    /// How many keys have waiters.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}
