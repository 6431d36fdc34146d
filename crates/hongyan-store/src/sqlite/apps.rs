//! Apps, as they lie in SQLite.

use hongyan_clock::UnixMillis;
use hongyan_ledger::gate::AppGate;
use hongyan_ledger::settle::PauseCode;
use hongyan_ledger::{OnUnknown, WaitingOrder};
use hongyan_wechat::{AppId, Errcode};
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many, one};
use super::memory::Transaction;
use super::row_error::{RowError, RowResult};
use crate::rows::AppRows;
use crate::types::{AppPaused, AppRecord, AppSettings, CallbackRecord, Sealed, gate as gate_of};

/// The columns of an app, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "appid, name, secret, gateway_secret_hash, stable_token, on_unknown, payment_units, waiting_order, \
         truncate_text, callback_token, callback_aes_key, resend_unknown_after_seconds, version, templates_synced_at, \
         created_at, updated_at, paused_code, paused_errcode, paused_detail, paused_since, paused_until"
    };
}

fn read(cells: &mut Cells<'_>) -> RowResult<AppRecord> {
    let appid: AppId = cells.parsed()?;
    let settings = AppSettings {
        name: cells.raw()?,
        secret: cells.raw()?,
        gateway_secret_hash: cells.raw()?,
        stable_token: cells.raw()?,
        on_unknown: cells.coded(OnUnknown::from_code)?,
        payment_units: cells.raw()?,
        waiting_order: cells.coded(WaitingOrder::from_code)?,
        truncate: cells.raw()?,
        callback: {
            let (token, aes_key) = (cells.raw::<Option<Sealed>>()?, cells.raw()?);
            token.map(|token| CallbackRecord { token, aes_key })
        },
        resend_unknown_after_seconds: cells.raw()?,
    };
    let mut app = AppRecord {
        appid,
        settings,
        version: cells.count()?,
        templates_synced_at: cells.moment_or_none()?,
        created_at: cells.moment()?,
        updated_at: cells.moment()?,
        paused: None,
    };
    if let Some(code) = cells.named_or_none(PauseCode::from_name)? {
        app.paused = Some(AppPaused {
            code,
            errcode: cells.raw::<Option<i32>>()?.map(Errcode),
            detail: cells.raw::<Option<String>>()?.unwrap_or_default(),
            since: cells
                .moment_or_none()?
                .ok_or_else(|| RowError::corrupt(format!("{} is paused since never", app.appid)))?,
            until: cells.moment_or_none()?,
        });
    }
    Ok(app)
}

/// All apps, by appid.
pub(super) fn all(db: &Connection) -> RowResult<Vec<AppRecord>> {
    many(db, concat!("SELECT ", columns!(), " FROM apps ORDER BY appid"), [], read)
}

/// One app.
pub(super) fn find(db: &Connection, appid: &AppId) -> RowResult<Option<AppRecord>> {
    one(db, concat!("SELECT ", columns!(), " FROM apps WHERE appid = ?"), [appid.as_str()], read)
}

impl AppRows for Transaction<'_> {
    fn app(&self, appid: &AppId) -> RowResult<Option<AppRecord>> {
        find(self, appid)
    }

    fn gate(&self, appid: &AppId) -> RowResult<Option<AppGate>> {
        self.memory.gate(appid, || {
            one(
                self,
                "SELECT paused_code, paused_until FROM apps WHERE appid = ?",
                [appid.as_str()],
                |cells: &mut Cells<'_>| {
                    let (code, until) = (cells.named_or_none(PauseCode::from_name)?, cells.moment_or_none()?);
                    Ok(code.map_or(AppGate::Open, |code| gate_of(code, until)))
                },
            )
        })
    }

    fn waiting_order(&self, appid: &AppId) -> RowResult<WaitingOrder> {
        let order = one(
            self,
            "SELECT waiting_order FROM apps WHERE appid = ?",
            [appid.as_str()],
            |cells: &mut Cells<'_>| cells.coded(WaitingOrder::from_code),
        )?;
        // An app that was removed has no waiting messages, so any order will do.
        Ok(order.unwrap_or_default())
    }

    fn insert_app(&self, app: &AppRecord) -> RowResult<bool> {
        self.memory.forget_gates();
        let added = change(
            self,
            "INSERT INTO apps (appid, name, secret, gateway_secret_hash, stable_token, on_unknown, payment_units, \
             templates_synced_at, created_at, updated_at, version) VALUES (?, '', x'', x'', 0, 0, 1, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
            params![
                app.appid.as_str(),
                app.templates_synced_at.map(|at| at.0),
                app.created_at.0,
                app.updated_at.0,
                app.version.cast_signed(),
            ],
        )?;
        if added == 0 {
            return Ok(false);
        }
        self.write_settings(&app.appid, &app.settings)?;
        self.update_pause(&app.appid, app.paused.as_ref())?;
        Ok(true)
    }

    fn update_settings(
        &self,
        appid: &AppId,
        settings: &AppSettings,
        version: u64,
        now: UnixMillis,
    ) -> RowResult<()> {
        self.write_settings(appid, settings)?;
        change(
            self,
            "UPDATE apps SET version = ?2, updated_at = ?3 WHERE appid = ?1",
            params![appid.as_str(), version.cast_signed(), now.0],
        )?;
        Ok(())
    }

    fn update_pause(&self, appid: &AppId, paused: Option<&AppPaused>) -> RowResult<()> {
        self.memory.forget_gates();
        change(
            self,
            "UPDATE apps SET paused_code = ?2, paused_errcode = ?3, paused_detail = ?4, paused_since = ?5, \
             paused_until = ?6 WHERE appid = ?1",
            params![
                appid.as_str(),
                paused.map(|pause| pause.code.name()),
                paused.and_then(|pause| pause.errcode).map(|code| code.0),
                paused.map(|pause| pause.detail.as_str()),
                paused.map(|pause| pause.since.0),
                paused.and_then(|pause| pause.until).map(|until| until.0),
            ],
        )?;
        Ok(())
    }

    fn set_probe_at(&self, appid: &AppId, probe_at: UnixMillis) -> RowResult<()> {
        self.memory.forget_gates();
        change(
            self,
            "UPDATE apps SET paused_until = ?2 WHERE appid = ?1",
            params![appid.as_str(), probe_at.0],
        )?;
        Ok(())
    }

    fn delete_app(&self, appid: &AppId) -> RowResult<bool> {
        self.memory.forget_gates();
        if change(self, "DELETE FROM apps WHERE appid = ?", [appid.as_str()])? == 0 {
            return Ok(false);
        }
        for of_the_app in [
            "DELETE FROM templates WHERE appid = ?",
            "DELETE FROM tokens WHERE appid = ?",
            "DELETE FROM gateway_tokens WHERE appid = ?",
            "DELETE FROM callbacks WHERE appid = ?",
        ] {
            change(self, of_the_app, [appid.as_str()])?;
        }
        Ok(true)
    }
}

impl Transaction<'_> {
    /// Writes all settings of an existing app.
    fn write_settings(&self, appid: &AppId, settings: &AppSettings) -> RowResult<()> {
        change(
            self,
            "UPDATE apps SET name = ?2, secret = ?3, gateway_secret_hash = ?4, stable_token = ?5, on_unknown = ?6, \
             payment_units = ?7, waiting_order = ?8, truncate_text = ?9, callback_token = ?10, callback_aes_key = ?11, \
             resend_unknown_after_seconds = ?12 WHERE appid = ?1",
            params![
                appid.as_str(),
                settings.name,
                settings.secret,
                settings.gateway_secret_hash,
                settings.stable_token,
                settings.on_unknown.code(),
                settings.payment_units,
                settings.waiting_order.code(),
                settings.truncate,
                settings.callback.as_ref().map(|callback| &callback.token),
                settings.callback.as_ref().and_then(|callback| callback.aes_key.as_ref()),
                settings.resend_unknown_after_seconds,
            ],
        )?;
        Ok(())
    }
}
