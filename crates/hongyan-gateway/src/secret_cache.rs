//! What was looked up a moment ago by the hash of a secret, so that a request has no read for its key or token.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;

/// How long what was found is taken without looking again: so long may something still work that a process revoked which
/// does not serve, such as the command line.
const FRESH: Duration = Duration::from_secs(10);

/// Counts the revocations that the store tells of, by whichever node. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Revocations(Arc<AtomicU64>);

impl Revocations {
    /// A key or a token was revoked.
    pub fn tell(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// See the module.
pub(crate) struct SecretCache<V> {
    limit: usize,
    told: Revocations,
    memory: Mutex<Memory<V>>,
}

struct Memory<V> {
    found: HashMap<[u8; 32], (V, UnixMillis)>,
    /// Counts revocations: what was read before one must not be remembered after it.
    revocations: u64,
    /// The revocations that were told of when this was last looked at.
    told: u64,
}

/// With this, what is found now may be remembered.
pub(crate) struct Lookup {
    hash: [u8; 32],
    at: UnixMillis,
    revocations: u64,
}

/// A clock that was put back must not make it fresh for longer.
fn is_fresh(at: UnixMillis, now: UnixMillis) -> bool {
    at <= now && now.since(at) < FRESH
}

impl<V: Clone> SecretCache<V> {
    /// Remembers nothing yet, and never more than `limit`.
    pub(crate) fn new(limit: usize, told: Revocations) -> Self {
        Self { limit, told, memory: Mutex::new(Memory { found: HashMap::new(), revocations: 0, told: 0 }) }
    }

    /// What is under this hash.
    ///
    /// # Errors
    /// It is not known. Ask the store, and tell [`Self::answer`] what it says.
    pub(crate) fn get(&self, hash: [u8; 32], now: UnixMillis) -> Result<V, Lookup> {
        let memory = self.memory();
        match memory.found.get(&hash) {
            Some((value, at)) if is_fresh(*at, now) => Ok(value.clone()),
            _ => Err(Lookup { hash, at: now, revocations: memory.revocations }),
        }
    }

    /// What the store said.
    pub(crate) fn answer(&self, lookup: &Lookup, found: Option<&V>) {
        let Lookup { hash, at: now, revocations } = *lookup;
        let mut memory = self.memory();
        let Some(value) = found else {
            memory.found.remove(&hash);
            return;
        };
        if memory.found.len() >= self.limit {
            memory.found.retain(|_, (_, at)| is_fresh(*at, now));
        }
        // Perhaps it was this one that was revoked. The next call looks it up anew; this one began before.
        if memory.found.len() < self.limit && memory.revocations == revocations {
            memory.found.insert(hash, (value.clone(), now));
        }
    }

    /// These were revoked, or may have been.
    pub(crate) fn forget(&self, is_meant: impl Fn(&V) -> bool) {
        let mut memory = self.memory();
        memory.revocations += 1;
        memory.found.retain(|_, (value, _)| !is_meant(value));
    }

    fn memory(&self) -> MutexGuard<'_, Memory<V>> {
        // Every change is one call: a panic elsewhere leaves it whole.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.told.0.load(Ordering::Acquire);
        if memory.told != told {
            memory.told = told;
            memory.revocations += 1;
            memory.found.clear();
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: [u8; 32] = [7; 32];

    #[test]
    fn what_was_found_is_known_for_a_while_by_a_clock_that_goes_on() {
        let cache = SecretCache::new(2, Revocations::default());
        let lookup = cache.get(HASH, UnixMillis(5_000)).unwrap_err();
        cache.answer(&lookup, Some(&"good"));
        assert!(cache.get(HASH, UnixMillis(14_999)).is_ok_and(|found| found == "good"));
        assert!(cache.get(HASH, UnixMillis(15_000)).is_err());
        assert!(cache.get(HASH, UnixMillis(4_999)).is_err(), "the clock was put back");
        let lookup = cache.get(HASH, UnixMillis(15_000)).unwrap_err();
        cache.answer(&lookup, None);
        assert!(cache.get(HASH, UnixMillis(5_000)).is_err());
    }

    #[test]
    fn what_was_read_before_a_revocation_is_not_remembered_after_it() {
        let cache = SecretCache::new(2, Revocations::default());
        let lookup = cache.get(HASH, UnixMillis(0)).unwrap_err();
        cache.forget(|value: &&str| *value == "other");
        cache.answer(&lookup, Some(&"good"));
        assert!(cache.get(HASH, UnixMillis(0)).is_err());
    }

    #[test]
    fn what_another_node_revoked_is_forgotten_at_once() {
        let told = Revocations::default();
        let cache = SecretCache::new(2, told.clone());
        let lookup = cache.get(HASH, UnixMillis(0)).unwrap_err();
        cache.answer(&lookup, Some(&"good"));
        assert!(cache.get(HASH, UnixMillis(0)).is_ok());
        told.tell();
        let lookup = cache.get(HASH, UnixMillis(0)).unwrap_err();
        told.tell();
        cache.answer(&lookup, Some(&"good"));
        assert!(cache.get(HASH, UnixMillis(0)).is_err(), "it was read before");
    }

    #[test]
    fn it_is_bounded() {
        let cache = SecretCache::new(2, Revocations::default());
        for (first, at) in [(1, 0), (2, 0), (3, 0), (4, 20_000)] {
            let lookup = cache.get([first; 32], UnixMillis(at)).unwrap_err();
            cache.answer(&lookup, Some(&first));
        }
        assert!(cache.get([2; 32], UnixMillis(0)).is_err(), "old ones went for the new one");
        assert!(cache.get([3; 32], UnixMillis(0)).is_err(), "there was no room");
        assert!(cache.get([4; 32], UnixMillis(20_000)).is_ok());
    }
}
