//! A cache of keys and tokens by the hash of the secret, so that most requests need no read of the store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;

/// How long an entry is used without another read. A key or token that another process revokes, such as the command line,
/// keeps working for at most this long.
const FRESH: Duration = Duration::from_secs(10);

/// Counts the revocations that the store signals, from any node. Clones share the count.
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
    /// Counts revocations: a value that was read before a revocation must not be cached after it.
    revocations: u64,
    /// The count of signalled revocations when the cache last read it.
    told: u64,
}

/// Allows to cache a value that is read from now on.
pub(crate) struct Lookup {
    hash: [u8; 32],
    at: UnixMillis,
    revocations: u64,
}

/// A clock that was set back must not keep an entry for longer.
fn is_fresh(at: UnixMillis, now: UnixMillis) -> bool {
    at <= now && now.since(at) < FRESH
}

impl<V: Clone> SecretCache<V> {
    /// An empty cache of at most `limit` entries.
    pub(crate) fn new(limit: usize, told: Revocations) -> Self {
        Self { limit, told, memory: Mutex::new(Memory { found: HashMap::new(), revocations: 0, told: 0 }) }
    }

    /// The value of this hash.
    ///
    /// # Errors
    /// When the value is not cached: ask the store, and pass its answer to [`Self::answer`].
    pub(crate) fn get(&self, hash: [u8; 32], now: UnixMillis) -> Result<V, Lookup> {
        let memory = self.memory();
        match memory.found.get(&hash) {
            Some((value, at)) if is_fresh(*at, now) => Ok(value.clone()),
            _ => Err(Lookup { hash, at: now, revocations: memory.revocations }),
        }
    }

    /// The answer of the store.
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
        // This value may be the revoked value, so it is not cached and the next call reads it again. This call began before
        // the revocation.
        if memory.found.len() < self.limit && memory.revocations == revocations {
            memory.found.insert(hash, (value.clone(), now));
        }
    }

    /// These values were revoked, or may have been revoked.
    pub(crate) fn forget(&self, is_meant: impl Fn(&V) -> bool) {
        let mut memory = self.memory();
        memory.revocations += 1;
        memory.found.retain(|_, (value, _)| !is_meant(value));
    }

    fn memory(&self) -> MutexGuard<'_, Memory<V>> {
        // Every change is one call, so a panic elsewhere leaves the cache consistent.
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
        assert!(cache.get(HASH, UnixMillis(0)).is_err(), "the value was read before the revocation");
    }

    #[test]
    fn it_is_bounded() {
        let cache = SecretCache::new(2, Revocations::default());
        for (first, at) in [(1, 0), (2, 0), (3, 0), (4, 20_000)] {
            let lookup = cache.get([first; 32], UnixMillis(at)).unwrap_err();
            cache.answer(&lookup, Some(&first));
        }
        assert!(cache.get([2; 32], UnixMillis(0)).is_err(), "expired entries were removed for the new entry");
        assert!(cache.get([3; 32], UnixMillis(0)).is_err(), "the cache was full");
        assert!(cache.get([4; 32], UnixMillis(20_000)).is_ok());
    }
}
