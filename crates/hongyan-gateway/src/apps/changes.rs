//! The changes of an app. Each change goes to the store first and then to the snapshot. A change is completed even if the
//! caller hangs up.

use std::sync::Arc;

use super::checks::checked;
use super::{App, AppChange, Apps, CallbackChange, GATEWAY_SECRET_PREFIX, NewApp, SyncReport};
use crate::audit;
use crate::problem::Problem;
use crate::task::uncancelled;
use crate::vault::{Purpose, random_token, sha256};
use axum::http::StatusCode;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_store::StoreError;
use hongyan_store::types::{
    Actor, AppChange as StoredChange, AppChanged, AppPaused, AppRecord, CallbackRecord, NewAudit, PauseOrder,
    Subject,
};
use hongyan_wechat::{AppId, Errcode, OpenId};
use secrecy::{ExposeSecret, SecretString};

/// Users whose sessions end in one step: some milliseconds of the writer thread.
const USERS_AT_A_TIME: u32 = 256;

impl Apps {
    /// Registers an app and reads its templates from WeChat. A failed reading does not undo the registration; the report has
    /// the error. Also returns the gateway secret, which is not stored.
    ///
    /// # Errors
    /// When a value is not valid, or the app is already registered (409 `app_exists`).
    pub async fn register(&self, new: NewApp) -> Result<(Arc<App>, SecretString, SyncReport), Problem> {
        let (apps, appid) = (self.clone(), new.appid.clone());
        uncancelled(async move {
            let gateway_secret = apps.add(new).await?;
            let report = apps.sync_templates(&appid).await?;
            let app = apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
            Ok((app, gateway_secret, report))
        })
        .await
    }

    /// Registers an app without asking WeChat. Returns the gateway secret, which is not stored.
    ///
    /// # Errors
    /// When a value is not valid, or the app is already registered (409 `app_exists`).
    pub async fn add(&self, new: NewApp) -> Result<SecretString, Problem> {
        let change = checked(AppChange { secret: Some(new.secret), ..new.change })?;
        let gateway_secret = change.gateway_secret.clone();
        let gateway_secret = gateway_secret.unwrap_or_else(|| random_token(GATEWAY_SECRET_PREFIX));
        let now = self.0.clock.now();
        let mut record =
            AppRecord::new(new.appid.clone(), Vec::new(), sha256(gateway_secret.expose_secret()), now);
        self.sealed(&new.appid, &change, None)?.apply(&mut record.settings);
        let (apps, appid) = (self.clone(), new.appid);
        uncancelled(async move {
            let _turn = apps.0.changing.lock().await;
            if apps.get(&appid).is_none() {
                apps.forget_users(&appid).await?;
            }
            let is_new = apps.0.store.add_app(record).await?;
            apps.reload(&appid).await?;
            if !is_new {
                let detail = format!("the app {appid} is registered already; change it with PATCH");
                return Err(Problem::conflict("app_exists", detail));
            }
            Ok(gateway_secret)
        })
        .await
    }

    /// Changes an app. A new secret discards the access token, and ends a pause that the old secret caused.
    ///
    /// # Errors
    /// When a value is not valid, or the app is not registered.
    pub async fn change(
        &self,
        appid: &AppId,
        change: AppChange,
    ) -> Result<(Arc<App>, Option<SecretString>), Problem> {
        let change = checked(change)?;
        let rotated = || change.rotate_gateway_secret.then(|| random_token(GATEWAY_SECRET_PREFIX));
        let gateway_secret = change.gateway_secret.clone().or_else(rotated);
        let (apps, appid) = (self.clone(), appid.clone());
        uncancelled(async move {
            let _turn = apps.0.changing.lock().await;
            let app = loop {
                let app = apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
                let mut wanted = apps.sealed(&appid, &change, app.record.settings.callback.clone())?;
                wanted.gateway_secret_hash =
                    gateway_secret.as_ref().map(|secret| sha256(secret.expose_secret()));
                let now = apps.0.clock.now();
                match apps.0.store.change_app(appid.clone(), app.record.version, wanted, now).await? {
                    AppChanged::Done(_) => break app,
                    AppChanged::NotFound => return Err(Problem::unknown_app(&appid)),
                    // Another process changed the app first. Its changes stay, except for settings that are changed here, too.
                    AppChanged::Stale(_) => drop(apps.reload(&appid).await?),
                }
            };
            let has_new_secret = change.secret.is_some();
            if has_new_secret {
                let by_secret = |paused: &AppPaused| {
                    matches!(paused.code, PauseCode::Misconfigured | PauseCode::TokenRejected)
                };
                if app.record.paused.as_ref().is_some_and(by_secret) {
                    apps.0.store.resume(appid.clone(), apps.0.clock.now()).await?;
                }
            }
            let app = apps.reload(&appid).await?.ok_or_else(|| Problem::unknown_app(&appid))?;
            Ok((app, gateway_secret))
        })
        .await
    }

    /// Like [`Self::change`]. After a new secret the templates are read at once, which shows whether WeChat accepts the secret.
    /// A failed reading is in the report and does not fail the change.
    ///
    /// # Errors
    /// When a value is not valid, or the app is not registered.
    pub async fn change_and_read(
        &self,
        appid: &AppId,
        change: AppChange,
    ) -> Result<(Arc<App>, Option<SecretString>, Option<SyncReport>), Problem> {
        let has_new_secret = change.secret.is_some();
        let (apps, appid) = (self.clone(), appid.clone());
        uncancelled(async move {
            let (app, gateway_secret) = apps.change(&appid, change).await?;
            if !has_new_secret {
                return Ok((app, gateway_secret, None));
            }
            let report = apps.sync_templates(&appid).await?;
            // WeChat may have refused the secret, which pauses the app.
            let app = apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
            Ok((app, gateway_secret, Some(report)))
        })
        .await
    }

    /// A checked change with encrypted secrets. The new callback settings depend on the present settings.
    fn sealed(
        &self,
        appid: &AppId,
        change: &AppChange,
        callback: Option<CallbackRecord>,
    ) -> Result<StoredChange, Problem> {
        let seal = |secret| self.0.vault.seal(Purpose::AppSecret, appid, secret);
        let callback_change = change.callback.as_ref();
        Ok(StoredChange {
            name: change.name.clone(),
            secret: change.secret.as_ref().map(seal),
            gateway_secret_hash: None,
            stable_token: change.stable_token,
            on_unknown: change.on_unknown,
            payment_units: change.payment_units,
            waiting_order: change.waiting_order,
            truncate: change.truncate,
            callback: callback_change
                .map(|change| self.changed_callback(appid, callback, change))
                .transpose()?,
            resend_unknown_after_seconds: change.resend_unknown_after_seconds,
        })
    }

    /// The new callback settings of an app, encrypted.
    fn changed_callback(
        &self,
        appid: &AppId,
        before: Option<CallbackRecord>,
        change: &CallbackChange,
    ) -> Result<Option<CallbackRecord>, Problem> {
        let CallbackChange::Set { token, aes_key } = change else { return Ok(None) };
        let seal = |purpose, secret| self.0.vault.seal(purpose, appid, secret);
        let (token_before, key_before) =
            before.map_or((None, None), |before| (Some(before.token), before.aes_key));
        let token = token.as_ref().map(|token| seal(Purpose::CallbackToken, token)).or(token_before);
        let token = token.ok_or_else(|| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "missing_field",
                "the token that is on WeChat's page",
            )
            .field("callback.token")
        })?;
        let aes_key = match aes_key {
            None => key_before,
            Some(key) => key.as_ref().map(|key| seal(Purpose::CallbackAesKey, key)),
        };
        Ok(Some(CallbackRecord { token, aes_key }))
    }

    /// Removes an app. Its unsent messages are cancelled, and its history stays.
    ///
    /// # Errors
    /// When the app is not registered.
    pub async fn remove(&self, appid: &AppId) -> Result<(), Problem> {
        let (apps, appid) = (self.clone(), appid.clone());
        uncancelled(async move {
            let _turn = apps.0.changing.lock().await;
            let before = apps.get(&appid);
            let known = apps.0.store.remove_app(appid.clone(), apps.0.clock.now()).await?;
            apps.reload(&appid).await?;
            if let Some(before) = before {
                before.token.forget();
            }
            if !known {
                return Err(Problem::unknown_app(&appid));
            }
            apps.forget_users(&appid).await?;
            Ok(())
        })
        .await
    }

    /// Ends the sessions of an app's users and deletes their session keys, in small steps, so that other writes need not wait
    /// for all of them. This happens when an app is removed, and again before an app is registered, because a crash may have
    /// interrupted the removal.
    async fn forget_users(&self, appid: &AppId) -> Result<(), StoreError> {
        self.end_sessions(appid, None).await?;
        while self.0.store.forget_users(appid.clone(), USERS_AT_A_TIME).await? == USERS_AT_A_TIME {}
        Ok(())
    }

    /// Ends the sessions of an app's users, or of one user. Returns the number of ended sessions.
    ///
    /// # Errors
    /// When the store fails. Some sessions may have ended then.
    pub async fn end_sessions(&self, appid: &AppId, openid: Option<&OpenId>) -> Result<u64, StoreError> {
        let mut ended = 0;
        loop {
            let step = self.0.store.end_sessions(appid.clone(), openid.cloned(), USERS_AT_A_TIME).await?;
            ended += u64::from(step);
            if step < USERS_AT_A_TIME {
                return Ok(ended);
            }
        }
    }

    /// Pauses an app: messages are kept and not sent. A pause that an operator must end is not replaced by a pause that ends by
    /// itself.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pause(
        &self,
        appid: &AppId,
        pause: AppPause,
        errcode: Option<Errcode>,
        detail: String,
    ) -> Result<(), StoreError> {
        self.pause_while(appid, pause, errcode, detail, |_| true).await
    }

    /// Pauses an app if the condition still holds under the lock for changes.
    pub(crate) async fn pause_while(
        &self,
        appid: &AppId,
        pause: AppPause,
        errcode: Option<Errcode>,
        detail: String,
        still: impl FnOnce(&App) -> bool + Send + 'static,
    ) -> Result<(), StoreError> {
        let (apps, appid) = (self.clone(), appid.clone());
        uncancelled(async move {
            let _turn = apps.0.changing.lock().await;
            let now = apps.0.clock.now();
            let Some(app) = apps.get(&appid).filter(|app| still(app)) else { return Ok(()) };
            // All messages in flight hit the same quota at once; only the first pause is logged.
            if app.record.paused.as_ref().is_some_and(|paused| covers(paused, &pause)) {
                return Ok(());
            }
            let order = PauseOrder { appid: appid.clone(), pause, errcode, detail, now };
            apps.store_pause(&order).await?;
            apps.reload(&appid).await?;
            let until = pause.until.map_or_else(|| "it is resumed".to_owned(), |until| until.to_string());
            tracing::warn!(
                app = %appid,
                code = pause.code.name(),
                errcode = errcode.map(|errcode| errcode.0),
                %until,
                detail = order.detail,
                "app paused: its messages are kept and not sent"
            );
            Ok(())
        })
        .await
    }

    /// Stores a pause. A pause that the gateway begins by itself gets a line in the audit trail if people will ask about it. The
    /// pause of an operator has the line of its call.
    async fn store_pause(&self, order: &PauseOrder) -> Result<(), StoreError> {
        let (store, code) = (&*self.0.store, order.pause.code);
        if !is_noted(code) {
            return store.pause(order.clone()).await;
        }
        let errcode = order.errcode.map_or_else(String::new, |errcode| format!(", errcode {}", errcode.0));
        let new = NewAudit {
            at: order.now,
            actor: Actor::SYSTEM,
            call: format!("pause: {}{errcode}", code.name()),
            subject: Subject { appid: Some(order.appid.clone()), object: Some(order.appid.to_string()) },
        };
        let line = audit::begin(store, new).await?;
        let done = store.pause(order.clone()).await;
        line.end(store, if done.is_ok() { audit::OK } else { "failed" }, Subject::default()).await;
        done
    }

    /// Ends an app's pause. Returns whether the app was paused.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&self, appid: &AppId) -> Result<bool, StoreError> {
        let (apps, appid) = (self.clone(), appid.clone());
        uncancelled(async move {
            let _turn = apps.0.changing.lock().await;
            let resumed = apps.0.store.resume(appid.clone(), apps.0.clock.now()).await?;
            if let Some(app) = apps.reload(&appid).await? {
                app.token.forgive();
                app.sync_gate.open();
                app.breaker.reset();
            }
            Ok(resumed)
        })
        .await
    }
}

/// Whether the gateway's own pause for this reason gets a line in the audit trail. Pauses of a few minutes get no line.
const fn is_noted(code: PauseCode) -> bool {
    match code {
        PauseCode::DayQuota | PauseCode::TokenRejected | PauseCode::Misconfigured => true,
        PauseCode::MinuteQuota | PauseCode::Operator | PauseCode::WechatUnavailable => false,
    }
}

/// Whether the present pause makes another pause unnecessary.
fn covers(paused: &AppPaused, pause: &AppPause) -> bool {
    match (paused.until, pause.until) {
        (None, Some(_)) => true,
        (None, None) => paused.code == pause.code,
        (Some(have), Some(want)) => paused.code == pause.code && have >= want,
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;

    use super::*;

    #[test]
    fn a_pause_that_is_in_force_is_not_stored_again() {
        let in_force = |code, until: Option<i64>| AppPaused {
            code,
            errcode: None,
            detail: String::new(),
            since: UnixMillis(0),
            until: until.map(UnixMillis),
        };
        let new = |code, until: Option<i64>| AppPause { code, until: until.map(UnixMillis) };
        let day = in_force(PauseCode::DayQuota, Some(100));
        assert!(covers(&day, &new(PauseCode::DayQuota, Some(100))));
        assert!(!covers(&day, &new(PauseCode::DayQuota, Some(101))));
        assert!(!covers(&day, &new(PauseCode::Misconfigured, None)));
        let stuck = in_force(PauseCode::Misconfigured, None);
        assert!(covers(&stuck, &new(PauseCode::DayQuota, Some(100))));
        assert!(covers(&stuck, &new(PauseCode::Misconfigured, None)));
        assert!(!covers(&stuck, &new(PauseCode::Operator, None)));
    }
}
