//! Why requests to a callback are refused.
//!
//! Anybody who knows a callback's URL can post to it. The sender learns only that the request was refused. The log has the
//! reason, once a minute for each app and reason; a metric counts every refusal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::AppId;
use hongyan_wechat::callback::{OpenError, PushRefused};

/// A refusal with the same app and reason is logged again after this.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The app is not registered, or has no callback.
    NoCallback,
    /// The parameters cannot be read.
    Parameters,
    /// The timestamp differs too much from the gateway's clock, by so many seconds.
    Timestamp(i64),
    /// The request is not from WeChat, or not for this app.
    Push(PushRefused),
    /// The timestamp and nonce were used before, with another content.
    NonceReused,
    /// The echostr does not look like WeChat's.
    Echo,
    /// The body is larger than any event.
    TooLarge,
    /// The connection closed before the whole body arrived.
    Incomplete,
}

impl Refusal {
    /// The reason's name, in the metric and in the log.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::NoCallback => "no_callback",
            Self::Parameters => "parameters",
            Self::Timestamp(_) => "timestamp",
            Self::Push(PushRefused::Signature) => "signature",
            Self::Push(PushRefused::NotSealed) => "not_sealed",
            Self::Push(PushRefused::NoKey) => "no_key",
            Self::Push(PushRefused::Sealed(OpenError::OtherApp)) => "other_app",
            Self::Push(PushRefused::Sealed(_)) => "cipher",
            Self::Push(PushRefused::Unreadable(_)) => "unreadable",
            Self::NonceReused => "nonce_reused",
            Self::Echo => "echo",
            Self::TooLarge => "too_large",
            Self::Incomplete => "incomplete",
        }
    }

    /// The reason, for people.
    fn words(&self) -> String {
        match self {
            Self::NoCallback => "the app is not registered, or has no callback".into(),
            Self::Parameters => "the request's parameters cannot be read".into(),
            Self::Timestamp(off) => {
                format!(
                    "the request's timestamp is {off} s off; is this machine's clock right? (callback_window_seconds)"
                )
            }
            Self::Push(refused) => refused.to_string(),
            Self::NonceReused => {
                "the request's timestamp and nonce were used for another content: a forgery".into()
            }
            Self::Echo => "the echostr does not look like WeChat's".into(),
            Self::TooLarge => "the body is larger than any event".into(),
            Self::Incomplete => "the connection closed before the whole body arrived".into(),
        }
    }
}

/// The most entries that are remembered. Beyond this, entries that may be logged again are dropped, because apps come and go.
const MAX_REMEMBERED: usize = 1_000;

/// When each app and reason was logged last.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<(Option<AppId>, &'static str), UnixMillis>>);

impl Refusals {
    /// Logs a refusal unless the same was logged recently. `appid` must be a registered app, so that the memory is bounded.
    pub(crate) fn log(&self, appid: Option<&AppId>, refusal: &Refusal, now: UnixMillis) {
        let reason = refusal.reason();
        if self.is_new(appid, reason, now) {
            let app = appid.map_or("none", AsRef::as_ref);
            tracing::warn!(app, reason, why = refusal.words(), "a request to a callback was refused");
        }
    }

    fn is_new(&self, appid: Option<&AppId>, reason: &'static str, now: UnixMillis) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = logged.get(&(appid.cloned(), reason)).copied();
        // A clock that was set back must not suppress the log.
        let is_new = before.is_none_or(|before| now < before || now.since(before) >= LOG_AGAIN);
        if is_new {
            if logged.len() >= MAX_REMEMBERED {
                logged.retain(|_, at| *at <= now && now.since(*at) < LOG_AGAIN);
            }
            logged.insert((appid.cloned(), reason), now);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_is_logged_once_a_minute() {
        let (refusals, now) = (Refusals::default(), UnixMillis(1_790_000_000_000));
        let app: AppId = "wx1".parse().unwrap();
        assert!(refusals.is_new(Some(&app), "signature", now));
        assert!(!refusals.is_new(Some(&app), "signature", now.plus(Duration::from_secs(59))));
        assert!(refusals.is_new(Some(&app), "timestamp", now) && refusals.is_new(None, "signature", now));
        assert!(refusals.is_new(Some(&app), "signature", now.plus(LOG_AGAIN)));
        assert!(refusals.is_new(Some(&app), "signature", now), "the clock was set back");
    }

    #[test]
    fn what_was_logged_long_ago_is_forgotten_when_apps_come_and_go() {
        let (refusals, begin) = (Refusals::default(), UnixMillis(1_790_000_000_000));
        for number in 0..10 * MAX_REMEMBERED as u64 {
            let app: AppId = format!("wx{number}").parse().unwrap();
            assert!(refusals.is_new(Some(&app), "signature", begin.plus(Duration::from_secs(number))));
        }
        assert!(refusals.0.lock().unwrap().len() <= MAX_REMEMBERED);
    }
}
