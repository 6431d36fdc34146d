//! Guesses at passwords and codes: one is checked at a time, and each wrong guess beyond a few makes the next one wait.
//!
//! Whether a guess must wait is looked up in the same turn in which the guess is checked and counted. So of guesses that
//! come at the same time, each sees the failures of the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_store::types::PersonRecord;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::password::{PATIENCE, TooMany};
use crate::vault::sha256;

/// How many wrong guesses in a row cost nothing.
const FREE_FAILURES: u32 = 4;

/// The longest wait after wrong guesses. It is short, because anybody who knows a name can cause it.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The most names whose failures are kept in memory. Beyond that the name that was tried first is forgotten.
const MAX_NAMES: usize = 10_000;

/// The guesses at the passwords and codes of all people. Clones share the turn.
#[derive(Clone, Default)]
pub(super) struct Guesses(Arc<Mutex<Kept>>);

/// The turn of one guess. No other guess is checked until the turn is dropped.
pub(super) type Turn = OwnedMutexGuard<Kept>;

impl Guesses {
    /// Waits for the turn.
    pub(super) async fn turn(&self) -> Result<Turn, TooMany> {
        tokio::time::timeout(PATIENCE, Arc::clone(&self.0).lock_owned()).await.map_err(|_| TooMany)
    }
}

/// Failures that the store does not keep: of names that nobody has, and of people when the store cannot write. A name that
/// nobody has makes the next try wait as the name of a person does, so a wait does not tell that a name exists.
#[derive(Default)]
pub(super) struct Kept(HashMap<[u8; 32], Failures>);

/// How often a guess at a name was wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Failures {
    count: u32,
    /// When the last wrong guess was.
    at: UnixMillis,
}

impl Kept {
    /// How long the next guess at a name must wait; `person`: who has the name.
    pub(super) fn wait(
        &self,
        name: &str,
        person: Option<&PersonRecord>,
        now: UnixMillis,
    ) -> Option<Duration> {
        let kept = self.0.get(&sha256(name)).copied();
        let stored =
            person.and_then(|person| Some(Failures { count: person.failures, at: person.failed_at? }));
        [kept, stored].into_iter().flatten().filter_map(|failures| failures.wait(now)).max()
    }

    /// Counts a wrong guess at a name.
    pub(super) fn failed(&mut self, name: &str, now: UnixMillis) {
        let name = sha256(name);
        if self.0.len() >= MAX_NAMES
            && !self.0.contains_key(&name)
            && let Some(first) = self.0.iter().min_by_key(|(_, failures)| failures.at).map(|(name, _)| *name)
        {
            self.0.remove(&first);
        }
        let failures = self.0.entry(name).or_default();
        *failures = Failures { count: failures.count.saturating_add(1), at: now };
    }
}

impl Failures {
    /// How long the next guess must wait: no time after a few failures, then twice as long after each failure.
    fn wait(self, now: UnixMillis) -> Option<Duration> {
        let beyond = self.count.checked_sub(FREE_FAILURES)?.checked_sub(1)?;
        let wait = Duration::from_secs(1 << beyond.min(20)).min(LONGEST_WAIT);
        wait.checked_sub(now.since(self.at)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn each_wrong_password_beyond_a_few_makes_the_next_try_wait_twice_as_long() {
        let seconds = |count| Failures { count, at: AT }.wait(AT).map(|wait| wait.as_secs());
        assert_eq!([0, 1, 4].map(seconds), [None, None, None]);
        assert_eq!([5, 6, 7, 13, 14, 4_000_000_000].map(seconds), [1, 2, 4, 256, 300, 300].map(Some));
        let later = Failures { count: 6, at: AT }.wait(AT.plus(Duration::from_secs(2)));
        assert_eq!(later, None, "the time has passed");
    }

    #[test]
    fn so_many_names_are_kept_and_the_one_that_was_tried_first_is_forgotten() {
        let mut kept = Kept::default();
        for n in 0..=MAX_NAMES {
            for _ in 0..5 {
                kept.failed(&format!("name {n}"), AT.plus(Duration::from_millis(n as u64)));
            }
        }
        assert_eq!(kept.0.len(), MAX_NAMES);
        let wait = |name| kept.wait(name, None, AT.plus(Duration::from_secs(10)));
        assert_eq!(wait("name 0"), None);
        assert!(wait(&format!("name {MAX_NAMES}")).is_some());
    }
}
