//! Whether an app's messages may go out.

use std::time::Duration;

use hongyan_clock::UnixMillis;

/// A probe that has said nothing for so long (its process died) is given up, and the next message is one. Longer
/// than an attempt takes: a token, a connection and an answer, with the time-outs that are the default.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(60);

/// Whether an app's messages may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppGate {
    /// They may.
    Open,
    /// Not until this moment, or not until an operator says so.
    Paused {
        /// When the pause ends by itself.
        until: Option<UnixMillis>,
    },
    /// WeChat does not answer ([`crate::breaker`]): not before this moment, and then one message.
    Broken {
        /// When a message may go as a probe.
        probe_at: UnixMillis,
    },
}

impl AppGate {
    /// Whether nothing may go out now.
    pub fn is_paused(self, now: UnixMillis) -> bool {
        match self {
            Self::Open => false,
            Self::Paused { until } => until.is_none_or(|end| now < end),
            // No probe is set further ahead than that, unless the clock was put back meanwhile.
            Self::Broken { probe_at } => now < probe_at && probe_at.since(now) <= PROBE_PATIENCE,
        }
    }

    /// What the gate is once a message went through it, if that was a probe: nobody else goes before it has ended,
    /// or was given up.
    pub fn behind_a_probe(self, now: UnixMillis) -> Option<Self> {
        matches!(self, Self::Broken { .. }).then(|| Self::Broken { probe_at: now.plus(PROBE_PATIENCE) })
    }
}
