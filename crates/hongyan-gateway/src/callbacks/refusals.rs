//! Why requests to a callback address are not taken.
//!
//! Whoever knows an app's address can post to it. The sender learns nothing but that it was refused; the operator finds
//! the reason in the log, once a minute for each app and reason, and every one of them counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::AppId;
use hongyan_wechat::callback::{OpenError, PushRefused};

/// The same reason of the same app is logged again after this.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// Why one was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such app, or it takes no pushes.
    NoCallback,
    /// The parameters cannot be read.
    Parameters,
    /// Its timestamp is too far from the gateway's clock, by so many seconds.
    Timestamp(i64),
    /// It is not WeChat's, or not for this app.
    Push(PushRefused),
    /// Its timestamp and nonce came before, with another content.
    NonceReused,
    /// What is to be answered is not what WeChat sends.
    Echo,
    /// It is larger than any event.
    TooLarge,
    /// The connection ended before the body did.
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

    /// In words.
    fn words(&self) -> String {
        match self {
            Self::NoCallback => "the app is not registered, or has no callback".into(),
            Self::Parameters => "its parameters cannot be read".into(),
            Self::Timestamp(off) => {
                format!(
                    "its timestamp is {off} s off; is this machine's clock right? (callback_window_seconds)"
                )
            }
            Self::Push(refused) => refused.to_string(),
            Self::NonceReused => "its timestamp and nonce were used for another content: a forgery".into(),
            Self::Echo => "its echostr is not one of WeChat's".into(),
            Self::TooLarge => "it is larger than any event".into(),
            Self::Incomplete => "the connection ended before it did".into(),
        }
    }
}

/// So many are remembered before those that may be logged again are forgotten: apps come and go.
const MAX_REMEMBERED: usize = 1_000;

/// When each was logged last.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<(Option<AppId>, &'static str), UnixMillis>>);

impl Refusals {
    /// Logs a refusal, if that was not just done. `appid`: of a registered app, so that what is remembered is bounded.
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
        // A clock that was put back must not silence it.
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
        assert!(refusals.is_new(Some(&app), "signature", now), "the clock was put back");
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
