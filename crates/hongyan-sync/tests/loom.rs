//! Every interleaving of a few threads over the pieces of this crate.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p hongyan-sync --test loom --release --target-dir target/loom` runs them; without the flag
//! this file is empty. A thread that would sleep for ever is a deadlock to loom, and fails the test.

#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use hongyan_sync::moments::{Moments, NEVER};
use hongyan_sync::versions::Versions;
use hongyan_sync::waiters::Waiters;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex, RwLock};
use loom::thread;

/// Stands for tokio's `Notify` with one waiting task: one permit is kept for a later wait.
struct Notify {
    permit: Mutex<bool>,
    rung: Condvar,
}

impl Notify {
    fn new() -> Self {
        Self { permit: Mutex::new(false), rung: Condvar::new() }
    }

    fn notify_one(&self) {
        *self.permit.lock().unwrap() = true;
        self.rung.notify_one();
    }

    fn notified(&self) {
        let mut permit = self.permit.lock().unwrap();
        while !*permit {
            permit = self.rung.wait(permit).unwrap();
        }
        *permit = false;
    }
}

/// The schedule: one thread looks, the others commit something due and ring.
#[test]
fn what_was_rung_for_is_always_looked_at() {
    // Three threads that take many locks. Only schedules with at most three preemptions are tried, which takes seconds
    // instead of minutes. (All schedules have been tried once, too.)
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let shared = Arc::new((ours(), Notify::new(), Mutex::new(0_u32)));
        let ringers: Vec<_> = (0..2)
            .map(|n| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (moments, changed, store) = &*shared;
                    // Write the store first, then ring, like intake and settle.
                    *store.lock().unwrap() += 1;
                    let earlier = if n == 0 { moments.ring(0, 5) } else { moments.ring_ready(0, 5) };
                    if earlier {
                        changed.notify_one();
                    }
                })
            })
            .collect();
        let (moments, changed, store) = &*shared;
        let mut seen = 0;
        while seen < 2 {
            if moments.due(10).is_empty() {
                // Sleep until the earliest moment, or until a ring for an earlier one.
                if moments.earliest() == NEVER {
                    changed.notified();
                }
                continue;
            }
            moments.begin_look(0);
            seen += std::mem::take(&mut *store.lock().unwrap());
            moments.end_look(0, NEVER);
        }
        for ringer in ringers {
            ringer.join().unwrap();
        }
    });
}

/// A lane is acquired while a process that does not own the lane commits a message for it.
#[test]
fn what_is_committed_while_a_place_is_taken_over_is_looked_at() {
    loom::model(|| {
        let shared = Arc::new((Moments::<1>::default(), Mutex::new(false)));
        let committer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (moments, store) = &*shared;
                *store.lock().unwrap() = true;
                let _ = moments.ring(0, 5);
            })
        };
        let (moments, store) = &*shared;
        moments.open(0);
        if *store.lock().unwrap() {
            let _ = moments.ring(0, 5);
        }
        moments.start(0);
        committer.join().unwrap();
        assert_eq!(moments.due(10), [0]);
    });
}

/// One place, ours.
fn ours() -> Moments<1> {
    let moments = Moments::default();
    moments.open(0);
    moments.start(0);
    moments
}

/// At intake: while something scheduled was committed and not looked at, no newer message may be started directly.
#[test]
fn a_timer_counts_as_due_until_its_look_is_over() {
    loom::model(|| {
        let shared = Arc::new((ours(), Mutex::new(true)));
        let _ = shared.0.ring(0, 5);
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (moments, scheduled) = &*shared;
                moments.begin_look(0);
                *scheduled.lock().unwrap() = false;
                moments.end_look(0, NEVER);
            })
        };
        let (moments, scheduled) = &*shared;
        if !moments.is_timer_due(0, 10) {
            assert!(!*scheduled.lock().unwrap(), "a newer message would overtake it");
        }
        looker.join().unwrap();
    });
}

/// The report: a caller joins and then reads the store; settle commits and then tells.
#[test]
fn who_waits_sees_the_end_in_the_store_or_is_told() {
    loom::model(|| {
        let shared = Arc::new((Waiters::<u8, Arc<Mutex<bool>>>::default(), Mutex::new(false)));
        let settle = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (waiters, store) = &*shared;
                *store.lock().unwrap() = true;
                waiters.tell(&1, |told| *told.lock().unwrap() = true);
            })
        };
        // Another thread waits for another message and leaves meanwhile.
        let passer_by = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (waiters, _) = &*shared;
                waiters.join(2, || Arc::new(Mutex::new(false)), |_| ());
                waiters.leave(&2, |_| true);
            })
        };
        let (waiters, store) = &*shared;
        let told = waiters.join(1, || Arc::new(Mutex::new(false)), Arc::clone);
        let saw = *store.lock().unwrap();
        settle.join().unwrap();
        passer_by.join().unwrap();
        assert!(saw || *told.lock().unwrap(), "the caller would wait for ever");
        waiters.leave(&1, |_| true);
        assert_eq!(waiters.count(), 0);
    });
}

/// The token: a task that finds no good token takes the turn (tokio's `Mutex`; here loom's), looks again, and fetches.
fn token_after(
    versions: &Versions<u64, ()>,
    turn: &Mutex<()>,
    fetches: &AtomicUsize,
    failed: u64,
) -> Option<u64> {
    let good = || versions.current().map(|value| *value).filter(|generation| *generation > failed);
    if let Some(token) = good() {
        return Some(token);
    }
    let _turn = turn.lock().unwrap();
    if let Some(token) = good() {
        return Some(token);
    }
    let epoch = versions.epoch();
    fetches.fetch_add(1, Ordering::SeqCst);
    let generation = versions.last_generation() + 1;
    versions.install(&Arc::new(generation), generation, epoch).then_some(generation)
}

#[test]
fn two_who_lost_the_same_token_fetch_once_and_get_the_same() {
    loom::model(|| {
        let shared = Arc::new((Versions::<u64, ()>::default(), Mutex::new(()), AtomicUsize::new(0)));
        assert!(shared.0.install(&Arc::new(1), 1, 0));
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || token_after(&shared.0, &shared.1, &shared.2, 1))
        };
        let mine = token_after(&shared.0, &shared.1, &shared.2, 1);
        assert_eq!((mine, other.join().unwrap()), (Some(2), Some(2)));
        assert_eq!(shared.2.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_token_of_an_old_secret_is_never_there_under_the_new_one() {
    loom::model(|| {
        let versions = Arc::new(Versions::<&'static str, u32>::default());
        let late = {
            let versions = Arc::clone(&versions);
            thread::spawn(move || {
                // The request of this thread was made with the old secret.
                let kept = versions.install(&Arc::new("old"), 1, 0);
                let noted = versions.note_in(0, |failures| *failures += 1);
                assert!(kept || !noted, "an epoch does not come back");
            })
        };
        versions.forget();
        assert_eq!(versions.epoch(), 1);
        assert!(versions.install(&Arc::new("new"), versions.last_generation() + 1, 1));
        assert_eq!(versions.current().map(|value| *value), Some("new"));
        late.join().unwrap();
        assert_eq!(versions.current().map(|value| *value), Some("new"));
        assert_eq!(versions.notes(|failures| *failures), 0, "nor are notes of its failures there");
    });
}

#[test]
fn an_older_generation_never_replaces_a_newer_one() {
    loom::model(|| {
        let versions = Arc::new(Versions::<u64, ()>::default());
        let threads = [3, 2].map(|generation| {
            let versions = Arc::clone(&versions);
            thread::spawn(move || assert!(versions.install(&Arc::new(generation), generation, 0)))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(versions.current().map(|value| *value), Some(3));
    });
}

/// Stopping, as a model: tokio's `Semaphore` (the slots) is a counter, its `watch` (the signal) a lock. Intake takes a slot
/// and then asks whether the gateway is stopping; the end sets the signal and then waits until all slots are free.
#[test]
fn no_message_is_started_after_the_end_of_draining() {
    loom::model(|| {
        let taken = Arc::new(AtomicUsize::new(0));
        let (stopping, ended) = (Arc::new(RwLock::new(false)), Arc::new(AtomicUsize::new(0)));
        let intake = {
            let (taken, stopping, ended) = (Arc::clone(&taken), Arc::clone(&stopping), Arc::clone(&ended));
            thread::spawn(move || {
                taken.fetch_add(1, Ordering::AcqRel);
                let goes = !*stopping.read().unwrap();
                if goes {
                    assert_eq!(ended.load(Ordering::SeqCst), 0, "a message started now would never be sent");
                }
                taken.fetch_sub(1, Ordering::AcqRel);
            })
        };
        *stopping.write().unwrap() = true;
        while taken.load(Ordering::Acquire) > 0 {
            thread::yield_now();
        }
        ended.store(1, Ordering::SeqCst);
        intake.join().unwrap();
    });
}
