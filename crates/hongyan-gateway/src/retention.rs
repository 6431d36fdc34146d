//! Retention: removes old rows in small steps.
//!
//! A walk over all rows that may be old begins soon after the start, and again every few hours. The walk consists of small
//! steps with pauses in between, so that a writer waits for a few rows and never for the whole walk.
//!
//! Under a load that never ends, small steps would be too slow: rows would become old faster than they are removed, and the
//! database would grow without end. A round that takes longer than the time between rounds is behind. Then the steps are
//! large, the pauses are short, and the next round follows at once, until a round ends in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_clock::{Clock, UnixMillis};
use hongyan_store::types::{PruneOrder, PruneWalk, Pruned};
use hongyan_store::{Store, StoreError};
use tokio::sync::watch;

use crate::pace::{REST, rest_after};
use crate::report::Report;
use crate::state::owned::Owned;
use crate::stop::Stop;

/// When the first round begins after a start: late enough not to slow the start down.
const FIRST: Duration = Duration::from_secs(10);

/// The time from the start of a round to the start of the next round. A row that is kept for days may stay some hours
/// longer.
const PAUSE: Duration = Duration::from_secs(6 * 3600);

/// The least and the most rows that a step removes.
const ROWS: std::ops::RangeInclusive<u32> = 8..=256;

/// A step that takes longer is too large; a step that takes less than half may grow. The time is measured by the caller, so
/// it includes the fsync of the commit and the wait for other writers: under load the steps become small by themselves.
const STEP_AT_MOST: Duration = Duration::from_millis(6);

/// The rest after a step, in times of the step's duration, when the walk is behind; instead of [`REST`]. The duration
/// includes waits for other writers, so the walk takes less than half of the writer's time even then.
const REST_BEHIND: u32 = 1;

/// Removes old rows.
pub struct Retention {
    store: Arc<dyn Store>,
    clock: Clock,
    report: Report,
    /// How long finished rows are kept; `None`: for ever.
    keep: Option<Duration>,
    /// How long the audit trail is kept; `None`: for ever.
    keep_audit: Option<Duration>,
    looked_at: watch::Sender<UnixMillis>,
    /// The lanes of this node. One node removes rows for all.
    owned: Owned,
}

impl Retention {
    /// Keeps rows for this many days, 0 for ever; the audit trail has its own number of days. The second value is the start
    /// of the last complete round: rows that were old by then are removed.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        report: Report,
        days: u32,
        audit_days: u32,
        owned: Owned,
    ) -> (Self, watch::Receiver<UnixMillis>) {
        let as_time = |days: u32| (days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400));
        let (keep, keep_audit) = (as_time(days), as_time(audit_days));
        let (looked_at, last) = watch::channel(UnixMillis(0));
        (Self { store, clock, report, keep, keep_audit, looked_at, owned }, last)
    }

    /// Runs until the stop.
    pub async fn run(self, stop: Stop) {
        tokio::select! {
            () = self.go_round_for_ever() => {}
            () = stop.stopping() => {}
        }
    }

    async fn go_round_for_ever(&self) {
        let mut next = self.clock.now().plus(FIRST);
        let mut was_behind = false;
        loop {
            self.clock.sleep_until(next).await;
            self.owned.is_first_of_all().await;
            // Rows that become old during a walk are left to the next walk, also if the clock is set ahead meanwhile.
            let now = self.clock.now();
            next = now.plus(PAUSE);
            match self.go_round(now, was_behind).await {
                Ok(removed) if removed.rows() > 0 => tracing::info!(
                    messages = removed.messages,
                    permits = removed.permits,
                    sessions = removed.sessions,
                    webhook_events = removed.webhook_events,
                    "old rows were removed"
                ),
                Ok(_) => {}
                // Old rows can wait for the next try.
                Err(error) => tracing::error!(%error, "old rows cannot be removed; trying again later"),
            }
            let is_behind = self.clock.now() > next;
            if is_behind != was_behind {
                tracing::info!(
                    is_behind,
                    "retention has begun or ceased to be behind: old rows are removed too slowly while is_behind is true"
                );
            }
            was_behind = is_behind;
            self.looked_at.send_replace(now);
        }
    }

    /// A walk over all rows that are old by then. Returns the sum of its steps.
    async fn go_round(&self, now: UnixMillis, was_behind: bool) -> Result<Pruned, StoreError> {
        let is_behind = || was_behind || self.clock.now().since(now) > PAUSE;
        let before = self.keep.map(|keep| now.minus(keep));
        let audit_before = self.keep_audit.map(|keep| now.minus(keep));
        let (mut sum, mut limit) = (Pruned::default(), *ROWS.start());
        let mut next = Some(PruneWalk::START);
        while let Some(walk) = next.filter(|_| self.owned.is_first()) {
            let began = Instant::now();
            let step = self.store.prune(walk, PruneOrder { before, audit_before, now, limit }).await?;
            let took = began.elapsed();
            self.report.pruned(&step);
            add(&mut sum, &step);
            let rest;
            (limit, rest) = next_step(limit, took, step.rows() == limit, is_behind());
            next = step.next;
            tokio::time::sleep(rest).await;
        }
        Ok(sum)
    }
}

/// How much the next step may remove, and how long to rest before it. `is_full`: this step removed all that it was allowed
/// to remove.
fn next_step(limit: u32, took: Duration, is_full: bool, is_behind: bool) -> (u32, Duration) {
    let (limit, rest) = match (is_behind, is_full) {
        (true, _) => (*ROWS.end(), REST_BEHIND),
        (false, true) => (next_limit(limit, took), REST),
        // A step that removed few rows says nothing about the time of a full step.
        (false, false) => (limit, REST),
    };
    (limit, rest_after(took, rest))
}

fn next_limit(limit: u32, took: Duration) -> u32 {
    let next = if took > STEP_AT_MOST {
        limit / 2
    } else if took < STEP_AT_MOST / 2 {
        limit * 2
    } else {
        limit
    };
    next.clamp(*ROWS.start(), *ROWS.end())
}

fn add(sum: &mut Pruned, step: &Pruned) {
    sum.messages += step.messages;
    sum.attempts += step.attempts;
    sum.permits += step.permits;
    sum.sessions += step.sessions;
    sum.gateway_tokens += step.gateway_tokens;
    sum.events += step.events;
    sum.leftovers += step.leftovers;
    sum.users += step.users;
    sum.audit += step.audit;
    sum.tallies += step.tallies;
    sum.webhook_events += step.webhook_events;
    sum.deliveries += step.deliveries;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::REST_AT_LEAST;

    #[test]
    fn steps_follow_the_time_that_they_take_and_keep_their_bounds() {
        let millis = Duration::from_millis;
        assert_eq!(next_limit(64, millis(1)), 128);
        assert_eq!(next_limit(64, millis(4)), 64);
        assert_eq!(next_limit(64, millis(20)), 32);
        assert_eq!((next_limit(256, millis(0)), next_limit(8, millis(500))), (256, 8));
        assert_eq!(next_step(64, millis(20), true, false), (32, millis(80)));
        assert_eq!(next_step(64, millis(20), false, false), (64, millis(80)));
    }

    #[test]
    fn who_is_behind_takes_large_steps_and_short_rests_however_long_a_step_waits_for_others() {
        let millis = Duration::from_millis;
        assert_eq!(next_step(8, millis(20), true, true), (256, millis(20)));
        assert_eq!(next_step(8, Duration::ZERO, true, true), (256, REST_AT_LEAST));
    }
}
