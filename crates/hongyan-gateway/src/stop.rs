//! Stopping: one signal that every part of the gateway watches, in two steps.
//!
//! First the stop is *announced*: the gateway says that it is not ready, answers who waits for something that may never
//! come, and serves everybody else. Then it *stops*: nothing new is started, what is under way ends.

use std::sync::Arc;

use tokio::sync::watch;

/// How far the gateway is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Running,
    Announced,
    Stopping,
}

/// Says whether the gateway is stopping. Clones share the signal.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Step>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Step::Running)))
    }
}

impl Stop {
    /// Tells everybody that the gateway will stop soon.
    pub fn announce(&self) {
        self.reach(Step::Announced);
    }

    /// Tells everybody to stop: finish what is in flight, start nothing new.
    pub fn stop(&self) {
        self.reach(Step::Stopping);
    }

    /// Whether the gateway stops, or will soon.
    pub fn is_announced(&self) -> bool {
        *self.0.borrow() >= Step::Announced
    }

    /// Whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow() >= Step::Stopping
    }

    /// Waits until the stop is announced.
    pub async fn announced(&self) {
        self.wait_for(Step::Announced).await;
    }

    /// Waits until it is told to stop.
    pub async fn stopping(&self) {
        self.wait_for(Step::Stopping).await;
    }

    /// There is no way back.
    fn reach(&self, step: Step) {
        self.0.send_if_modified(|now| {
            let is_further = step > *now;
            if is_further {
                *now = step;
            }
            is_further
        });
    }

    async fn wait_for(&self, step: Step) {
        let mut signal = self.0.subscribe();
        // The sender lives in `self`.
        let _ = signal.wait_for(|&now| now >= step).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_is_announced_before_or_with_it_and_never_taken_back() {
        let stop = Stop::default();
        assert!(!stop.is_announced());
        stop.announce();
        stop.announced().await;
        assert!(!stop.is_stopping());
        stop.stop();
        stop.announce();
        stop.announced().await;
        stop.stopping().await;
        assert!(stop.is_stopping());
    }
}
