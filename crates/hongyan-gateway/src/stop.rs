//! Stopping: one signal that every part of the gateway watches, in two steps.
//!
//! First the stop is *announced*: the gateway says that it is not ready, answers who waits for something that may never
//! come, and serves everybody else. Then it *stops*: nothing new is started, what is under way ends.

use tokio_util::sync::CancellationToken;

/// Says whether the gateway is stopping. Clones share the signal. There is no way back.
#[derive(Clone, Debug)]
pub struct Stop {
    stopping: CancellationToken,
    /// A child of `stopping`: nothing stops that was not announced.
    announced: CancellationToken,
}

impl Default for Stop {
    fn default() -> Self {
        let stopping = CancellationToken::new();
        Self { announced: stopping.child_token(), stopping }
    }
}

impl Stop {
    /// Tells everybody that the gateway will stop soon.
    pub fn announce(&self) {
        self.announced.cancel();
    }

    /// Tells everybody to stop: finish what is in flight, start nothing new.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Whether the gateway stops, or will soon.
    pub fn is_announced(&self) -> bool {
        self.announced.is_cancelled()
    }

    /// Whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Waits until the stop is announced.
    pub async fn announced(&self) {
        self.announced.cancelled().await;
    }

    /// Waits until it is told to stop.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
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
