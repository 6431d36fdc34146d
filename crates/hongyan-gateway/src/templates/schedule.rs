//! The regular synchronisation of each app's templates.

use std::collections::HashMap;
use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_store::types::AppPaused;
use hongyan_wechat::AppId;

use crate::apps::{App, Apps};
use crate::random;
use crate::state::owned::Owned;
use crate::stop::Stop;

/// No synchronisation begins this soon after a start: a gateway that restarts again and again must not use up quotas.
const FIRST: Duration = Duration::from_secs(10);

/// The wait after a failure is shorter than the period, because changes at WeChat are not known meanwhile.
const RETRY: Duration = Duration::from_secs(600);

/// Synchronises the templates of all apps, one app at a time.
pub struct TemplateSyncer {
    /// The apps.
    pub apps: Apps,
    /// The time.
    pub clock: Clock,
    /// The time from one synchronisation to the next; zero: never.
    pub period: Duration,
    /// The lanes of this node. The node synchronises the apps whose lanes it has.
    pub owned: Owned,
    /// Apps whose templates are read at once: apps that the set-up has registered, or given a new AppSecret.
    pub unread: Vec<AppId>,
}

impl TemplateSyncer {
    /// Runs until the stop.
    pub async fn run(self, stop: Stop) {
        let work = async {
            for appid in &self.unread {
                self.sync(appid).await;
            }
            if !self.period.is_zero() {
                self.sync_for_ever().await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.stopping() => {}
        }
    }

    async fn sync_for_ever(&self) {
        let mut due: HashMap<AppId, UnixMillis> = HashMap::new();
        let mut lanes = self.owned.watch();
        loop {
            lanes.mark_unchanged();
            let mut apps = self.apps.list();
            apps.retain(|app| self.owned.has_app(&app.record.appid));
            due.retain(|appid, _| apps.iter().any(|app| app.record.appid == *appid));
            let mut next = UnixMillis::MAX;
            for app in apps {
                let now = self.clock.now();
                let at = due.entry(app.record.appid.clone()).or_insert_with(|| self.first(&app, now));
                // WeChat would refuse, or must not be asked. The end of the pause is a change of the app, or a moment.
                if let Some(pause) = app.pause_in_force(now) {
                    next = next.min(end_of(pause, now));
                    continue;
                }
                if *at <= now {
                    *at = self.sync(&app.record.appid).await;
                }
                next = next.min(*at);
            }
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = self.apps.apps_changed() => {}
                // The sender lives in `self`.
                _ = lanes.changed() => {}
            }
        }
    }

    /// Synchronises an app. Returns when the next synchronisation is due.
    async fn sync(&self, appid: &AppId) -> UnixMillis {
        // The period counts from the request to WeChat, not from storing the answer. So a clock that is set ahead in between
        // makes the next synchronisation due.
        let asked_at = self.clock.now();
        let pause = match self.apps.sync_templates(appid).await {
            Ok(report) if report.is_complete() => self.period,
            Ok(_) => self.period.min(RETRY),
            Err(problem) => {
                // The report contains WeChat's refusals. This error is of the store, or the app was removed meanwhile.
                tracing::warn!(app = %appid, %problem, "templates could not be stored");
                self.period.min(RETRY)
            }
        };
        asked_at.plus(jittered(pause))
    }

    fn first(&self, app: &App, now: UnixMillis) -> UnixMillis {
        let synced_at = app.record.templates_synced_at.unwrap_or(UnixMillis(0));
        synced_at.plus(jittered(self.period)).max(now.plus(FIRST))
    }
}

/// When a pause in force ends by itself. The pause of an open breaker does not end by itself, although it has a moment: the
/// moment of the next probe. After that moment it may take long until a message can be the probe, and waiting for the moment
/// would be a busy loop.
fn end_of(pause: &AppPaused, now: UnixMillis) -> UnixMillis {
    pause.until.filter(|until| now < *until).unwrap_or(UnixMillis::MAX)
}

/// Varies the period by up to a tenth, so that apps and gateways do not all ask at the same moment.
fn jittered(period: Duration) -> Duration {
    period.mul_f64(0.9 + 0.2 * random::unit())
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::settle::PauseCode;

    use super::*;

    #[test]
    fn nobody_waits_for_a_moment_that_has_passed() {
        let until = |code, until: Option<i64>| AppPaused {
            code,
            errcode: None,
            detail: String::new(),
            since: UnixMillis(0),
            until: until.map(UnixMillis),
        };
        let outage = until(PauseCode::WechatUnavailable, Some(100));
        assert_eq!(end_of(&outage, UnixMillis(99)), UnixMillis(100));
        assert_eq!(
            end_of(&outage, UnixMillis(100)),
            UnixMillis::MAX,
            "the pause ends by a change of the app"
        );
        assert_eq!(end_of(&until(PauseCode::DayQuota, Some(100)), UnixMillis(50)), UnixMillis(100));
        assert_eq!(end_of(&until(PauseCode::Operator, None), UnixMillis(50)), UnixMillis::MAX);
    }
}
