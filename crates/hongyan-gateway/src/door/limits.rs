//! Limits: each limit that refuses something is counted in `hongyan_limits_total{limit}`, and logged once a minute.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::report::Report;

/// The shortest time between two log lines about the same limit.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// The limits. Add limits freely, but never rename a limit: the names are labels of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The most open connections.
    Connections,
    /// The most open connections from one address.
    ConnectionsPerAddress,
    /// The process has no descriptor left for a connection.
    Descriptors,
    /// The most TLS handshakes under way.
    Handshakes,
    /// A TLS handshake took too long.
    HandshakeTime,
    /// The head of a request took too long.
    HeaderTime,
    /// The body of a request took too long.
    BodyTime,
    /// The client did not read an answer in time.
    AnswerTime,
    /// A request without a host, or for a host that this server does not serve.
    Host,
    /// Too many logins of mini programs from one address.
    LoginsPerAddress,
    /// Too many logins of one mini program.
    LoginsPerApp,
    /// Too many logins of mini programs in all.
    Logins,
    /// Too many permits reported by one user.
    PermitReports,
    /// Too many wrong keys, secrets and signatures from one address.
    WrongCredentials,
    /// Too many gateway tokens of one service.
    GatewayTokens,
    /// The most calls to WeChat under way, sends excluded.
    WechatCalls,
    /// Spans that the collector of traces did not take.
    Traces,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 17] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::Descriptors,
        Self::Handshakes,
        Self::HandshakeTime,
        Self::HeaderTime,
        Self::BodyTime,
        Self::AnswerTime,
        Self::Host,
        Self::LoginsPerAddress,
        Self::LoginsPerApp,
        Self::Logins,
        Self::PermitReports,
        Self::WrongCredentials,
        Self::GatewayTokens,
        Self::WechatCalls,
        Self::Traces,
    ];

    /// The name of the limit, in the metric and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Descriptors => "descriptors",
            Self::Handshakes => "handshakes",
            Self::HandshakeTime => "handshake_time",
            Self::HeaderTime => "header_time",
            Self::BodyTime => "body_time",
            Self::AnswerTime => "answer_time",
            Self::Host => "host",
            Self::LoginsPerAddress => "logins_per_address",
            Self::LoginsPerApp => "logins_per_app",
            Self::Logins => "logins",
            Self::PermitReports => "permit_reports",
            Self::WrongCredentials => "wrong_credentials",
            Self::GatewayTokens => "gateway_tokens",
            Self::WechatCalls => "wechat_calls",
            Self::Traces => "traces",
        }
    }
}

/// Counts and logs limits. Clones share the counts.
#[derive(Clone)]
pub struct Limits {
    report: Report,
    /// In the order of [`Limit::ALL`].
    unlogged: Arc<[Mutex<Unlogged>; Limit::ALL.len()]>,
}

/// What the log does not show yet.
#[derive(Default)]
struct Unlogged {
    times: u64,
    logged_at: Option<Instant>,
}

impl Limits {
    /// Counts into this report.
    pub fn new(report: &Report) -> Self {
        report.count_limits(Limit::ALL.map(Limit::name));
        Self { report: report.clone(), unlogged: Arc::default() }
    }

    /// The report that these limits count into.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// A limit refused something. `whom` names what was refused, without a secret.
    pub fn bit(&self, limit: Limit, whom: impl Display) {
        self.report.limit_reached(limit.name());
        let now = Instant::now();
        // The data are two numbers, so a panic elsewhere leaves them consistent.
        let mut unlogged = self.unlogged[limit as usize].lock().unwrap_or_else(PoisonError::into_inner);
        unlogged.times += 1;
        if unlogged.logged_at.is_some_and(|at| now.duration_since(at) < LOGGED_EVERY) {
            return;
        }
        let times = std::mem::take(&mut unlogged.times);
        unlogged.logged_at = Some(now);
        drop(unlogged);
        tracing::warn!(limit = limit.name(), times, last = %whom, "a limit was reached");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_listed_once_and_explained_in_both_languages() {
        let mut names: Vec<&str> = Limit::ALL.iter().map(|limit| limit.name()).collect();
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place, "{}", limit.name());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Limit::ALL.len());
        for page in ["security.md", "security.zh-CN.md"] {
            let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            for name in &names {
                assert!(text.contains(&format!("`{name}`")), "{page} does not explain the limit {name}");
            }
        }
    }
}
