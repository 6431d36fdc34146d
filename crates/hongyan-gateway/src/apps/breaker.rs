//! The circuit breaker of each app ([`hongyan_ledger::breaker`]). The outcomes of attempts open and close the breaker.
//!
//! An open breaker means that the app is paused with `wechat_unavailable`. Only one task (settle) reports outcomes, so the
//! snapshot that this task reads has its own last change.

use hongyan_clock::UnixMillis;
use hongyan_ledger::breaker::{Attempt, Evidence, Verdict};
use hongyan_ledger::gate::AppGate;
use hongyan_ledger::settle::{AppPause, Outcome, PauseCode};
use hongyan_store::StoreError;
use hongyan_store::types::{AppPaused, Claimed};
use hongyan_wechat::AppId;

use super::{App, Apps};
use crate::task::uncancelled;

impl App {
    /// The time of the next attempt, if the breaker is open.
    pub(crate) fn probe_at(&self) -> Option<UnixMillis> {
        match self.gate() {
            AppGate::Broken { probe_at } => Some(probe_at),
            AppGate::Open | AppGate::Paused { .. } => None,
        }
    }

    /// The pause that holds messages back now. The pause of an open breaker does not end by itself.
    pub(crate) fn pause_in_force(&self, now: UnixMillis) -> Option<&AppPaused> {
        let is_open = self.probe_at().is_some();
        self.record.paused.as_ref().filter(|paused| is_open || paused.until.is_none_or(|end| now < end))
    }

    fn gate(&self) -> AppGate {
        self.record.paused.as_ref().map_or(AppGate::Open, AppPaused::gate)
    }
}

impl Apps {
    /// Opens or closes the app's breaker after an attempt.
    ///
    /// # Errors
    /// When the change cannot be stored. The next attempt repeats the change.
    pub(crate) async fn hear(
        &self,
        claimed: &Claimed,
        outcome: &Outcome,
        evidence: Evidence,
    ) -> Result<(), StoreError> {
        let Some(app) = self.get(&claimed.appid) else { return Ok(()) };
        let attempt = Attempt { claimed_at: claimed.claimed_at, is_probe: claimed.is_probe };
        let (now, chance) = (self.0.clock.now(), crate::random::unit());
        let verdict = app.breaker.with(|breaker| breaker.hear(attempt, evidence, app.gate(), now, chance));
        match verdict {
            Some(Verdict::Open { probe_at }) => {
                let pause = AppPause { code: PauseCode::WechatUnavailable, until: Some(probe_at) };
                let detail =
                    format!("WeChat does not answer; it is asked again by itself ({})", outcome.text());
                self.pause(&claimed.appid, pause, outcome.errcode(), detail).await?;
            }
            Some(Verdict::Close) => self.close_breaker(&claimed.appid).await?,
            None => {}
        }
        Ok(())
    }

    /// Whether the app's breaker is open.
    pub(crate) fn is_breaker_open(&self, appid: &AppId) -> bool {
        self.get(appid).is_some_and(|app| app.probe_at().is_some())
    }

    async fn close_breaker(&self, appid: &AppId) -> Result<(), StoreError> {
        let (apps, appid) = (self.clone(), appid.clone());
        uncancelled(async move {
            let _turn = apps.0.changing.lock().await;
            // The app may be paused for another reason by now.
            if apps.is_breaker_open(&appid) {
                apps.0.store.resume(appid.clone(), apps.0.clock.now()).await?;
                apps.reload(&appid).await?;
                tracing::info!(app = %appid, "WeChat answers again: what was kept goes out");
            }
            Ok(())
        })
        .await
    }
}
