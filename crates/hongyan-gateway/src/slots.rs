//! Slots: how many messages may be `sending` at a time. Whoever claims a message takes a slot first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long somebody waits for places without any coming free.
const STANDSTILL: Duration = Duration::from_millis(50);

/// How long somebody waits for places although some come free.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// One place among the messages that may be `sending` at a time. Dropping it frees the place.
pub struct Slot {
    /// Gives the place back.
    _place: OwnedSemaphorePermit,
    /// As in [`Slots`].
    freed: Arc<AtomicU64>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::Relaxed);
    }
}

/// The places of all messages that may be `sending` at a time.
#[derive(Clone)]
pub struct Slots {
    semaphore: Arc<Semaphore>,
    total: u32,
    /// How many places were ever given back: tells a slow WeChat from one that does not answer.
    freed: Arc<AtomicU64>,
}

impl Slots {
    /// So many places.
    pub fn new(total: u32) -> Self {
        Self { semaphore: Arc::new(Semaphore::new(total as usize)), total, freed: Arc::default() }
    }

    /// A place, if one is free now.
    pub fn try_take(&self) -> Option<Slot> {
        Arc::clone(&self.semaphore).try_acquire_owned().ok().map(|place| self.slot(place))
    }

    /// So many places, or all that there are if that is less. Who waits for many holds up those who come later, so
    /// they are waited for only as long as others come free; after that it is as many as are free now.
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

    /// A place, as soon as one is free. Who waits is served before those who only try.
    pub async fn take(&self) -> Slot {
        let place = Arc::clone(&self.semaphore).acquire_owned().await;
        self.slot(place.expect("the semaphore is never closed"))
    }

    /// How many are free.
    pub fn free(&self) -> u32 {
        self.semaphore.available_permits() as u32
    }

    /// How many are taken.
    pub fn taken(&self) -> u32 {
        self.total.saturating_sub(self.free())
    }

    /// Waits until no place is taken.
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
        assert_eq!(slots.take_many(9).await.len(), 4, "never more than there are");
        let mut held = slots.take_many(3).await;
        // Nothing comes free: what is free now must do.
        assert_eq!(slots.take_many(2).await.len(), 1);
        let (both, ()) = tokio::join!(slots.take_many(2), async { drop(held.pop()) });
        assert_eq!(both.len(), 2);
        drop((both, held));
        slots.all_free().await;
    }
}
