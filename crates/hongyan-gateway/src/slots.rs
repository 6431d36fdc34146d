//! Slots: how many messages may be `sending` at a time. A slot is taken before a message is claimed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a caller waits for slots while no slot becomes free.
const STANDSTILL: Duration = Duration::from_millis(50);

/// How long a caller waits for slots in all, even if slots become free.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A slot for one message that is `sending`. Dropping it frees the slot.
pub struct Slot {
    /// Returns the slot when it is dropped.
    _place: OwnedSemaphorePermit,
    /// As in [`Slots`].
    freed: Arc<AtomicU64>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::Relaxed);
    }
}

/// All slots.
#[derive(Clone)]
pub struct Slots {
    semaphore: Arc<Semaphore>,
    total: u32,
    /// The number of slots freed so far: tells a slow WeChat from a WeChat that does not answer.
    freed: Arc<AtomicU64>,
}

impl Slots {
    /// Makes `total` slots.
    pub fn new(total: u32) -> Self {
        Self { semaphore: Arc::new(Semaphore::new(total as usize)), total, freed: Arc::default() }
    }

    /// A slot, if a slot is free now.
    pub fn try_take(&self) -> Option<Slot> {
        Arc::clone(&self.semaphore).try_acquire_owned().ok().map(|place| self.slot(place))
    }

    /// Takes `wanted` slots, or all slots if there are fewer. A caller that waits for many slots blocks later callers. So it
    /// waits only as long as slots keep becoming free, and then takes those that are free.
    pub async fn take_many(&self, wanted: usize) -> Vec<Slot> {
        let count = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.total);
        let mut all = match Arc::clone(&self.semaphore).try_acquire_many_owned(count) {
            Ok(all) => Some(all),
            Err(_) => self.wait_for(count).await,
        };
        let mut slots = Vec::with_capacity(count as usize);
        while slots.len() < count as usize {
            let place = match &mut all {
                Some(all) => all.split(1).map(|place| self.slot(place)),
                None => self.try_take(),
            };
            let Some(slot) = place else { break };
            slots.push(slot);
        }
        slots
    }

    async fn wait_for(&self, count: u32) -> Option<OwnedSemaphorePermit> {
        let mut taking = std::pin::pin!(Arc::clone(&self.semaphore).acquire_many_owned(count));
        let begin = Instant::now();
        while begin.elapsed() < LONGEST_WAIT {
            let freed = self.freed.load(Ordering::Relaxed);
            match tokio::time::timeout(STANDSTILL, &mut taking).await {
                Ok(taken) => return taken.ok(),
                Err(_) if self.freed.load(Ordering::Relaxed) == freed => break,
                Err(_) => {}
            }
        }
        None
    }

    fn slot(&self, place: OwnedSemaphorePermit) -> Slot {
        Slot { _place: place, freed: Arc::clone(&self.freed) }
    }

    /// A slot, as soon as a slot is free. Waiting callers come before callers of [`Slots::try_take`].
    pub async fn take(&self) -> Slot {
        let place = Arc::clone(&self.semaphore).acquire_owned().await;
        self.slot(place.expect("the semaphore is never closed"))
    }

    /// The number of free slots.
    pub fn free(&self) -> u32 {
        self.semaphore.available_permits() as u32
    }

    /// The number of taken slots.
    pub fn taken(&self) -> u32 {
        self.total.saturating_sub(self.free())
    }

    /// Waits until no slot is taken.
    pub async fn all_free(&self) {
        let all = self.semaphore.acquire_many(self.total).await;
        drop(all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_waited_for_only_while_some_come_free() {
        let slots = Slots::new(4);
        assert_eq!(slots.take_many(9).await.len(), 4, "never more slots than there are");
        let mut held = slots.take_many(3).await;
        // No slot becomes free, so the free slots are taken.
        assert_eq!(slots.take_many(2).await.len(), 1);
        let (both, ()) = tokio::join!(slots.take_many(2), async { drop(held.pop()) });
        assert_eq!(both.len(), 2);
        drop((both, held));
        slots.all_free().await;
    }
}
