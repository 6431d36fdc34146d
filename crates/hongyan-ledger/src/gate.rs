//! Whether an app's messages may go out.

use std::time::Duration;

use hongyan_clock::UnixMillis;

/// A probe without an outcome for this long (its process died) is given up, and the next message becomes the probe. This is
/// longer than an attempt takes (token, connection, answer) with the default time-outs.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(60);

/// Whether an app's messages may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppGate {
    /// Messages may go out.
    Open,
    /// No message goes out before `until`, or before an operator resumes the app.
    Paused {
        /// When the pause ends by itself.
        until: Option<UnixMillis>,
    },
    /// WeChat does not answer ([`crate::breaker`]): no message goes out before this moment, and then one.
    Broken {
        /// When a message may go as a probe.
        probe_at: UnixMillis,
    },
}

impl AppGate {
    /// Whether no message may go out now.
    pub fn is_paused(self, now: UnixMillis) -> bool {
        match self {
            Self::Open => false,
            Self::Paused { until } => until.is_none_or(|end| now < end),
            // A probe is never set further ahead than `PROBE_PATIENCE`, unless the clock was put back. Then the gate must
            // not stay closed for the whole difference.
            Self::Broken { probe_at } => now < probe_at && probe_at.since(now) <= PROBE_PATIENCE,
        }
    }

    /// The gate after a message went through it, if that message was a probe: no other message goes before the probe has
    /// ended or was given up. `None`: the message was no probe.
    pub fn behind_a_probe(self, now: UnixMillis) -> Option<Self> {
        matches!(self, Self::Broken { .. }).then(|| Self::Broken { probe_at: now.plus(PROBE_PATIENCE) })
    }
}
