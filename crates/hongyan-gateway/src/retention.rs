//! Retention: clears away what is old, a little at a time.
//!
//! Soon after a start and then every few hours it walks over everything that may be old. The walk is made of small
//! steps with pauses between them, so that whoever writes meanwhile waits for a few rows and never for the whole.
//!
//! Under a load that never ends small steps would be too slow: more would become old than goes, and the database would
//! grow for ever. A round that lasts longer than the time between rounds is behind. Then the steps are large, the pauses
//! short, and the next round follows at once, until one is done in time.

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

/// When the first round begins after a start: late enough not to slow it down.
const FIRST: Duration = Duration::from_secs(10);

/// From the beginning of a round to that of the next. What is kept for days may stay some hours longer.
const PAUSE: Duration = Duration::from_secs(6 * 3600);

/// The bounds of what one step removes.
const ROWS: std::ops::RangeInclusive<u32> = 8..=256;

/// A step that takes longer is too large, one that takes less than half may grow. It is measured from outside, so it
/// has the commit's fsync in it, and the waiting when there is much to do: then the steps become small by themselves.
const STEP_AT_MOST: Duration = Duration::from_millis(6);

/// How often a step's time is rested, instead of [`REST`], when the walk is behind. A step is measured with its waiting for the others, so it has less than half even then.
const REST_BEHIND: u32 = 1;

/// Clears away what is old.
pub struct Retention {
    store: Arc<dyn Store>,
    clock: Clock,
    report: Report,
    /// How long what is over is kept; `None`: for ever.
    keep: Option<Duration>,
    /// The same for the audit trail.
    keep_audit: Option<Duration>,
    looked_at: watch::Sender<UnixMillis>,
    /// Whether it is this node that clears away, for all.
    owned: Owned,
}

impl Retention {
    /// Keeps for so many days, 0 for ever; the audit trail for so many others. The second value is the moment of the last
    /// round that came to its end: what was old by then is gone.
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

    /// Runs until it is told to stop.
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
            // What becomes old while it walks is for the next walk, also if the clock is set ahead meanwhile.
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
                // What is old today is old tomorrow.
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

    /// One walk over everything that is old by then; the sum of its steps.
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

/// How much the next step may remove, and how long to rest before it. `is_full`: this one removed all that it might.
fn next_step(limit: u32, took: Duration, is_full: bool, is_behind: bool) -> (u32, Duration) {
    let (limit, rest) = match (is_behind, is_full) {
        (true, _) => (*ROWS.end(), REST_BEHIND),
        (false, true) => (next_limit(limit, took), REST),
        // A step that removed little says nothing about how long a full one takes.
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
