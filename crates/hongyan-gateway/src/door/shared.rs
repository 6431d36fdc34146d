//! What all connections share, and how long each of them may take.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::connection::SILENCE;
use super::limits::Limits;
use super::rates::Rates;
use crate::stop::Stop;

/// What all connections share.
pub(super) struct Shared {
    pub(super) stop: Stop,
    pub(super) limits: Limits,
    pub(super) rates: Arc<Rates>,
    pub(super) clocks: Clocks,
    pub(super) hosts: Option<Vec<String>>,
    pub(super) trusted_proxies: Vec<IpNet>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    pub(super) header: Duration,
    pub(super) body: Duration,
    pub(super) idle: Duration,
    /// How long an answer may wait to be taken.
    pub(super) answer: Duration,
}

impl Clocks {
    /// What begins now is not over before.
    pub(super) fn shortest(&self) -> Duration {
        let Self { header, body, idle, answer } = *self;
        [header, body, idle, answer, SILENCE].into_iter().min().unwrap_or_default()
    }
}
