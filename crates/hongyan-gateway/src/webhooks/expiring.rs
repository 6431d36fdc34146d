//! Looks for permits that expire soon, as long as somebody wants to hear of it: slowly, in small steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_clock::Clock;
use hongyan_store::Store;
use hongyan_store::types::{ExpiringOrder, ExpiringStep};

use super::changes::Changes;
use crate::pace::{REST, rest_after};
use crate::state::owned::Owned;
use crate::stop::Stop;

/// From the beginning of a walk over all permits to that of the next: so much later than set may a permit be told of.
const PAUSE: Duration = Duration::from_secs(15 * 60);

/// Permits that a step looks at.
const LIMIT: u32 = 500;

/// Looks for permits that expire soon.
pub struct Expiring {
    /// Where the permits are.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// How long before its end a permit is told of.
    pub ahead: Duration,
    /// Whether somebody may have begun to listen.
    pub changes: Changes,
    /// Whether it is this node that looks, for all.
    pub owned: Owned,
}

impl Expiring {
    /// Runs until it is told to stop.
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
            // Counted from here: what expires soon only by the time at which the walk ends was not looked for, also if the
            // clock is set ahead meanwhile.
            let next = self.clock.now().plus(PAUSE);
            let listens = self.walk().await;
            tokio::select! {
                () = self.clock.sleep_until(next), if listens => {}
                // The sender lives in `self`.
                _ = changed.changed() => {}
            }
        }
    }

    /// One walk over all permits; whether somebody listens.
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
