//! Stopping: one signal that every part of the gateway watches, in two steps.
//!
//! First the stop is *announced*: the gateway reports that it is not ready, answers callers who wait for something that may
//! never come, and serves all others. Then the gateway *stops*: it starts nothing new, and lets work under way end.

use tokio_util::sync::CancellationToken;

/// Signals whether the gateway is stopping. Clones share the signal, which cannot be undone.
#[derive(Clone, Debug)]
pub struct Stop {
    stopping: CancellationToken,
    /// A child of `stopping`, so that every stop is also announced.
    announced: CancellationToken,
}

impl Default for Stop {
    fn default() -> Self {
        let stopping = CancellationToken::new();
        Self { announced: stopping.child_token(), stopping }
    }
}

impl Stop {
    /// Announces that the gateway will stop soon.
    pub fn announce(&self) {
        self.announced.cancel();
    }

    /// Tells all parts to stop: finish work in flight, start nothing new.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Whether the gateway stops, or will stop soon.
    pub fn is_announced(&self) -> bool {
        self.announced.is_cancelled()
    }

    /// Whether the gateway stops.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Waits until the stop is announced.
    pub async fn announced(&self) {
        self.announced.cancelled().await;
    }

    /// Waits until the gateway stops.
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
