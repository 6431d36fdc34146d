//! Everything that changes an app: in the store first, then in the snapshot, and to the end even if the caller
//! hangs up.

use std::sync::Arc;

use super::checks::{
    checked_aes_key, checked_name, checked_resend_after, checked_secret, checked_token, checked_units,
};
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

/// How many users one step forgets: some milliseconds of the thread that writes.
const USERS_AT_A_TIME: u32 = 256;

impl Apps {
    /// Registers an app and asks WeChat for its templates. That the asking failed does not undo the
    /// registration; the report says it. Also gives the gateway secret, which is not kept.
    ///
    /// # Errors
    /// When a value is not good, or there is such an app already (409 `app_exists`).
    pub async fn register(&self, new: NewApp) -> Result<(Arc<App>, SecretString, SyncReport), Problem> {
        let change = checked(AppChange { secret: Some(new.secret), ..new.change })?;
        let gateway_secret = random_token(GATEWAY_SECRET_PREFIX);
        let now = self.0.clock.now();
        let mut record =
            AppRecord::new(new.appid.clone(), Vec::new(), sha256(gateway_secret.expose_secret()), now);
        self.sealed(&new.appid, &change, None)?.apply(&mut record.settings);
        let (apps, appid) = (self.clone(), new.appid);
        uncancelled(async move {
            {
                let _turn = apps.0.changing.lock().await;
                if apps.get(&appid).is_none() {
                    apps.forget_users(&appid).await?;
                }
                if !apps.0.store.add_app(record).await? {
                    let detail = format!("the app {appid} is registered already; change it with PATCH");
                    return Err(Problem::conflict("app_exists", detail));
                }
                apps.reload(&appid).await?;
            }
            tracing::info!(app = %appid, "app registered");
            let report = apps.sync_templates(&appid).await?;
            let app = apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
            Ok((app, gateway_secret, report))
        })
        .await
    }

    /// Changes an app. A new secret forgets the access token, and ends a pause that the old secret caused.
    ///
    /// # Errors
    /// When a value is not good, or there is no such app.
    pub async fn change(
        &self,
        appid: &AppId,
        change: AppChange,
    ) -> Result<(Arc<App>, Option<SecretString>), Problem> {
        let change = checked(change)?;
        let gateway_secret = change.rotate_gateway_secret.then(|| random_token(GATEWAY_SECRET_PREFIX));
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
                    // Another process was faster. What it has changed stays, but for what is changed here, too.
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
            tracing::info!(app = %appid, new_secret = has_new_secret, "app changed");
            Ok((app, gateway_secret))
        })
        .await
    }

    /// The same, and with a new secret the templates are read at once: so it shows whether WeChat takes it, and what the old
    /// one could not read is there. The report is about that; it fails nothing.
    ///
    /// # Errors
    /// When a value is not good, or there is no such app.
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
            // A secret that WeChat refuses has paused the app.
            let app = apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
            Ok((app, gateway_secret, Some(report)))
        })
        .await
    }

    /// A change that was checked, as it is stored. What an app's callback becomes depends on what it is.
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

    /// What an app's callback settings become, sealed.
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

    /// Forgets an app. Its history stays; what was not sent is cancelled.
    ///
    /// # Errors
    /// When there is no such app.
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
            tracing::info!(app = %appid, "app removed");
            apps.forget_users(&appid).await?;
            Ok(())
        })
        .await
    }

    /// Ends the sessions of an app's users, and forgets their session keys, in small steps, so that nobody waits for all
    /// of them. It is done when an app is removed, and once more before it is registered: what a crash left of the first
    /// time is not there for the second.
    async fn forget_users(&self, appid: &AppId) -> Result<(), StoreError> {
        self.end_sessions(appid, None).await?;
        while self.0.store.forget_users(appid.clone(), USERS_AT_A_TIME).await? == USERS_AT_A_TIME {}
        Ok(())
    }

    /// Ends the sessions of an app's users, or of one of them; how many there were.
    ///
    /// # Errors
    /// When the store fails; some may have ended then.
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

    /// Pauses an app: every message is kept, none goes out. A pause for which an operator is needed is not
    /// replaced by one that ends by itself.
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

    /// The same, if that still holds when no other change can come in between.
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
            // Everything in flight hits the same quota at once; one of them says it.
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

    /// Stores a pause. One that the gateway begins by itself, and that somebody will ask about, has a line in the audit trail;
    /// an operator's has that of its call.
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

    /// Ends an app's pause. Whether it was paused.
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
            if resumed {
                tracing::info!(app = %appid, "app resumed");
            }
            Ok(resumed)
        })
        .await
    }
}

/// The change, if its values are good.
fn checked(change: AppChange) -> Result<AppChange, Problem> {
    Ok(AppChange {
        secret: change.secret.as_ref().map(checked_secret).transpose()?,
        name: change.name.as_deref().map(checked_name).transpose()?,
        payment_units: change.payment_units.map(checked_units).transpose()?,
        callback: change.callback.map(checked_callback).transpose()?,
        resend_unknown_after_seconds: change
            .resend_unknown_after_seconds
            .map(|seconds| seconds.map(checked_resend_after).transpose())
            .transpose()?,
        ..change
    })
}

/// The same of its callback.
fn checked_callback(change: CallbackChange) -> Result<CallbackChange, Problem> {
    let CallbackChange::Set { token, aes_key } = change else { return Ok(change) };
    Ok(CallbackChange::Set {
        token: token.as_ref().map(checked_token).transpose()?,
        aes_key: aes_key.map(|key| key.as_ref().map(checked_aes_key).transpose()).transpose()?,
    })
}

/// Whether the gateway's own pause for this reason has a line in the audit trail. Those that come and go within minutes have
/// none.
const fn is_noted(code: PauseCode) -> bool {
    match code {
        PauseCode::DayQuota | PauseCode::TokenRejected | PauseCode::Misconfigured => true,
        PauseCode::MinuteQuota | PauseCode::Operator | PauseCode::WechatUnavailable => false,
    }
}

/// Whether a pause that is in force makes another one needless.
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
