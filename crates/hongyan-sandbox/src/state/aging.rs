//! A map that forgets its oldest entries, for login codes and form ids: they are looked up for a while and then never
//! again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use serde::{Deserialize, Serialize};

/// Entries by text, each with the time at which it was added.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AgingMap<T> {
    entries: HashMap<String, T>,
    /// The texts in the order of adding, which is the order of forgetting.
    order: VecDeque<(UnixMillis, String)>,
}

impl<T> Default for AgingMap<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> AgingMap<T> {
    /// Adds an entry, forgets entries older than `keep`, and forgets the oldest beyond `most`.
    pub(crate) fn insert(&mut self, key: String, value: T, now: UnixMillis, keep: Duration, most: usize) {
        while let Some((added_at, _)) = self.order.front()
            && (now.since(*added_at) > keep || self.order.len() >= most)
            && let Some((_, old)) = self.order.pop_front()
        {
            self.entries.remove(&old);
        }
        self.order.push_back((now, key.clone()));
        self.entries.insert(key, value);
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.entries.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_old_is_forgotten() {
        let mut map = AgingMap::default();
        let keep = Duration::from_secs(10);
        map.insert("old".into(), 1, UnixMillis(0), keep, 9);
        map.insert("young".into(), 2, UnixMillis(5_000), keep, 9);
        map.insert("new".into(), 3, UnixMillis(10_001), keep, 9);
        assert_eq!(map.get_mut("old"), None);
        assert_eq!(map.get_mut("young"), Some(&mut 2));
        assert_eq!(map.get_mut("new"), Some(&mut 3));
        map.insert("newest".into(), 4, UnixMillis(10_001), keep, 2);
        assert_eq!(map.len(), 2, "there was room for two");
        assert_eq!(map.get_mut("young"), None);
    }
}
