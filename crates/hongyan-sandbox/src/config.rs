//! The configuration of a sandbox.

use std::path::PathBuf;

use hongyan_clock::Clock;
use url::Url;

use crate::limits::Limits;

/// The configuration of a sandbox.
#[derive(Debug)]
pub struct SandboxConfig {
    /// The clock of the sandbox. `/_sandbox/clock` sets the time of everything that shares this clock.
    pub clock: Clock,
    /// The mini program's back end, which the phone's page reaches through `/backend`.
    pub backend: Option<Url>,
    /// The state file: read at the start if it exists, written at the stop.
    pub state_file: Option<PathBuf>,
    /// The host names that the sandbox accepts, besides IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The limits on how much is kept.
    pub limits: Limits,
}

impl SandboxConfig {
    /// A configuration with this clock and without a state file.
    pub fn new(clock: Clock) -> Self {
        Self { clock, backend: None, state_file: None, hosts: Vec::new(), limits: Limits::default() }
    }
}
