//! The state and the time limits that all connections share.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::connection::SILENCE;
use super::limits::Limits;
use super::rates::Rates;
use crate::stop::Stop;
use crate::traces::Traces;

/// The state that all connections share.
pub(super) struct Shared {
    pub(super) stop: Stop,
    pub(super) limits: Limits,
    pub(super) rates: Arc<Rates>,
    pub(super) clocks: Clocks,
    pub(super) hosts: Option<Vec<String>>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) traces: Traces,
}

/// Time limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    pub(super) header: Duration,
    pub(super) body: Duration,
    pub(super) idle: Duration,
    /// The longest time that an answer may wait for the client to read.
    pub(super) answer: Duration,
}

impl Clocks {
    /// The shortest limit: a phase that begins now cannot end earlier.
    pub(super) fn shortest(&self) -> Duration {
        let Self { header, body, idle, answer } = *self;
        [header, body, idle, answer, SILENCE].into_iter().min().unwrap_or_default()
    }
}
