//! Looks for permits that expire soon, slowly and in small steps, while a webhook subscribes to these events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_clock::Clock;
use hongyan_store::Store;
use hongyan_store::types::{ExpiringOrder, ExpiringStep};

use super::changes::Changes;
use crate::pace::{REST, rest_after};
use crate::state::owned::Owned;
use crate::stop::Stop;

/// The time from the start of a walk over all permits to the start of the next walk: the event of a permit may be this late.
const PAUSE: Duration = Duration::from_secs(15 * 60);

/// The most permits in a step.
const LIMIT: u32 = 500;

/// Looks for permits that expire soon.
pub struct Expiring {
    /// The store of the permits.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// How long before its end a permit is reported.
    pub ahead: Duration,
    /// Signals that a webhook may have subscribed.
    pub changes: Changes,
    /// The lanes of this node. One node looks for all.
    pub owned: Owned,
}

impl Expiring {
    /// Runs until the stop.
    pub async fn run(self, stop: Stop) {
        tokio::select! {
            () = self.look_for_ever() => {}
            () = stop.stopping() => {}
        }
    }

    async fn look_for_ever(&self) {
        let mut changed = self.changes.watch();
        loop {
            self.owned.is_first_of_all().await;
            changed.mark_unchanged();
            // The pause counts from the start of the walk. Permits that began to count as expiring during the walk were not
            // looked for, also when the clock is set ahead meanwhile.
            let next = self.clock.now().plus(PAUSE);
            let listens = self.walk().await;
            tokio::select! {
                () = self.clock.sleep_until(next), if listens => {}
                // The sender lives in `self`.
                _ = changed.changed() => {}
            }
        }
    }

    /// One walk over all permits. Returns whether a webhook subscribes.
    async fn walk(&self) -> bool {
        while self.owned.is_first() {
            let (began, order) =
                (Instant::now(), ExpiringOrder { now: self.clock.now(), ahead: self.ahead, limit: LIMIT });
            match self.store.tell_expiring(order).await {
                Ok(ExpiringStep::NobodyListens) => return false,
                Ok(ExpiringStep::Done(_)) => return true,
                Ok(ExpiringStep::More(_)) => {
                    tokio::time::sleep(rest_after(began.elapsed(), REST)).await;
                }
                Err(error) => {
                    tracing::error!(%error, "permits that expire soon cannot be read; trying again later");
                    return true;
                }
            }
        }
        true
    }
}
