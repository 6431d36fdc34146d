//! What a sandbox needs to know when it is made.

use std::path::PathBuf;

use hongyan_clock::Clock;
use url::Url;

use crate::limits::Limits;

/// What a sandbox needs to know.
#[derive(Debug)]
pub struct SandboxConfig {
    /// The time it lives in. Who shares the clock shares the time that `/_sandbox/clock` sets.
    pub clock: Clock,
    /// The mini program's back end, to which the phone's page speaks through `/backend`.
    pub backend: Option<Url>,
    /// Where the memory is kept from one run to the next: read at the start if it exists, written at the stop.
    pub state_file: Option<PathBuf>,
    /// The names under which it may be asked, besides IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// How much of each thing is kept.
    pub limits: Limits,
}

impl SandboxConfig {
    /// One with this clock that keeps nothing from run to run.
    pub fn new(clock: Clock) -> Self {
        Self { clock, backend: None, state_file: None, hosts: Vec::new(), limits: Limits::default() }
    }
}
