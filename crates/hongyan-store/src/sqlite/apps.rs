//! Apps and their pauses.

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::PauseCode;
use hongyan_ledger::start::AppGate;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{OnUnknown, WaitingOrder};
use hongyan_wechat::{AppId, Errcode};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::memory::Writing;
use super::messages::cancel::cancel_app;
use super::messages::wake::{wake_app, wake_some};
use super::outbox::{self, About};
use super::rows::{Cells, change, many, one};
use super::trouble::{Res, Trouble};
use crate::types::{
    AppChange, AppChanged, AppPaused, AppRecord, AppSettings, CallbackRecord, PauseOrder, ProbeCursor,
    Probing, Sealed, gate as gate_of,
};

/// So many users' messages are woken to be a probe. One would do, but it may come to nothing: its permit may be
/// gone, or its deadline over.
const PROBES_WOKEN: usize = 8;

/// The columns of an app, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "appid, name, secret, gateway_secret_hash, stable_token, on_unknown, payment_units, waiting_order, \
         truncate_text, callback_token, callback_aes_key, resend_unknown_after_seconds, version, templates_synced_at, \
         created_at, updated_at, paused_code, paused_errcode, paused_detail, paused_since, paused_until"
    };
}

fn read(cells: &mut Cells<'_>) -> Res<AppRecord> {
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
                .ok_or_else(|| Trouble::corrupt(format!("{} is paused since never", app.appid)))?,
            until: cells.moment_or_none()?,
        });
    }
    Ok(app)
}

/// All apps, by appid.
pub(super) fn all(db: &Connection) -> Res<Vec<AppRecord>> {
    many(db, concat!("SELECT ", columns!(), " FROM apps ORDER BY appid"), [], read)
}

/// One app.
pub(super) fn find(db: &Connection, appid: &AppId) -> Res<Option<AppRecord>> {
    one(db, concat!("SELECT ", columns!(), " FROM apps WHERE appid = ?"), [appid.as_str()], read)
}

/// Whether an app's messages may go out; `None` if there is no such app.
pub(super) fn gate(db: &Connection, appid: &AppId) -> Res<Option<AppGate>> {
    one(
        db,
        "SELECT paused_code, paused_until FROM apps WHERE appid = ?",
        [appid.as_str()],
        |cells: &mut Cells<'_>| {
            let (code, until) = (cells.named_or_none(PauseCode::from_name)?, cells.moment_or_none()?);
            Ok(code.map_or(AppGate::Open, |code| gate_of(code, until)))
        },
    )
}

/// A probe has begun: nobody else goes before `probe_at`. Others are not told: this is how the gate stands while the
/// probe is under way, and its outcome, which changes the app, is what they want to hear.
pub(super) fn close_behind_probe(tx: &Writing<'_>, appid: &AppId, probe_at: UnixMillis) -> Res<()> {
    tx.memory.forget_gates();
    change(tx, "UPDATE apps SET paused_until = ?2 WHERE appid = ?1", params![appid.as_str(), probe_at.0])?;
    Ok(())
}

/// Carries out [`crate::Store::probe`].
pub(super) fn probe(
    tx: &Writing<'_>,
    appid: &AppId,
    after: Option<&ProbeCursor>,
    now: UnixMillis,
) -> Res<Probing> {
    let Some(gate @ AppGate::Broken { probe_at }) = gate(tx, appid)? else { return Ok(Probing::Closed) };
    if gate.is_paused(now) {
        return Ok(Probing::NotBefore(probe_at));
    }
    let woken = wake_some(tx, appid, after, PROBES_WOKEN, now)?;
    Ok(if woken.is_empty() { Probing::NoneReady } else { Probing::Woken(woken) })
}

/// Which of a user's waiting messages a permit serves first.
pub(super) fn waiting_order(db: &Connection, appid: &AppId) -> Res<WaitingOrder> {
    let order = one(
        db,
        "SELECT waiting_order FROM apps WHERE appid = ?",
        [appid.as_str()],
        |cells: &mut Cells<'_>| cells.coded(WaitingOrder::from_code),
    )?;
    // An app that was removed has nothing that waits.
    Ok(order.unwrap_or_default())
}

/// Carries out [`crate::Store::add_app`].
pub(super) fn add(tx: &Writing<'_>, app: &AppRecord) -> Res<bool> {
    let added = change(
        tx,
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
    write_settings(tx, &app.appid, &app.settings)?;
    write_pause(tx, &app.appid, app.paused.as_ref())?;
    // A message that was accepted while the app was being removed waits for it.
    wake_app(tx, &app.appid, app.created_at)?;
    Ok(true)
}

/// Carries out [`crate::Store::change_app`]. The pause and the moment of the last synchronisation belong to other verbs,
/// which may run at the same time; they stay as they are.
pub(super) fn alter(
    tx: &Writing<'_>,
    appid: &AppId,
    version: u64,
    wanted: &AppChange,
    now: UnixMillis,
) -> Res<AppChanged> {
    let Some(mut app) = find(tx, appid)? else { return Ok(AppChanged::NotFound) };
    if app.version != version {
        return Ok(AppChanged::Stale(app.version));
    }
    wanted.clone().apply(&mut app.settings);
    tx.app_changed(appid);
    write_settings(tx, appid, &app.settings)?;
    let next = version + 1;
    change(
        tx,
        "UPDATE apps SET version = ?2, updated_at = ?3 WHERE appid = ?1",
        params![appid.as_str(), next.cast_signed(), now.0],
    )?;
    Ok(AppChanged::Done(next))
}

/// All settings of an app that is there.
fn write_settings(tx: &Writing<'_>, appid: &AppId, settings: &AppSettings) -> Res<()> {
    change(
        tx,
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

/// Carries out [`crate::Store::remove_app`].
pub(super) fn remove(tx: &Writing<'_>, appid: &AppId, now: UnixMillis) -> Res<bool> {
    if change(tx, "DELETE FROM apps WHERE appid = ?", [appid.as_str()])? == 0 {
        return Ok(false);
    }
    tx.app_changed(appid);
    change(tx, "DELETE FROM templates WHERE appid = ?", [appid.as_str()])?;
    change(tx, "DELETE FROM tokens WHERE appid = ?", [appid.as_str()])?;
    change(tx, "DELETE FROM gateway_tokens WHERE appid = ?", [appid.as_str()])?;
    change(tx, "DELETE FROM callbacks WHERE appid = ?", [appid.as_str()])?;
    cancel_app(tx, appid, now)?;
    Ok(true)
}

/// Carries out [`crate::Store::pause`].
pub(super) fn pause(tx: &Writing<'_>, order: &PauseOrder) -> Res<()> {
    let Some(app) = find(tx, &order.appid)? else { return Ok(()) };
    if app.paused.as_ref().is_some_and(|present| outlasts(present, order)) {
        return Ok(());
    }
    let before = app.paused.as_ref().map(|present| (present.code, is_in_force(present, order.now)));
    // An outage is one pause, however many probes fail in it.
    let outage = app.paused.filter(|present| present.code == PauseCode::WechatUnavailable);
    let goes_on = outage.as_ref().filter(|present| present.code == order.pause.code);
    let paused = AppPaused {
        code: order.pause.code,
        errcode: order.errcode,
        detail: order.detail.clone(),
        since: goes_on.map_or(order.now, |present| present.since),
        until: order.pause.until,
    };
    write_pause(tx, &order.appid, Some(&paused))?;
    // The same trouble may be met by all messages that were in flight: it is one pause.
    if !before.is_some_and(|(code, is_in_force)| is_in_force && code == paused.code) {
        outbox::emit(tx, EventType::AppPaused, About::App(&order.appid), order.now, || PausedData {
            app: &order.appid,
            code: paused.code,
            errcode: paused.errcode,
            detail: &paused.detail,
            until: paused.until,
        })?;
    }
    if outage.is_some() && goes_on.is_none() {
        // What rests without a timer because of the outage must rest as the new pause wants it.
        wake_app(tx, &order.appid, order.now)?;
    }
    Ok(())
}

/// Whether a pause stays in spite of a new one. One that needs an operator gives way only to another such; one that
/// ends by itself gives way to one that lasts as long: a minute's quota does not end a day's.
fn outlasts(present: &AppPaused, order: &PauseOrder) -> bool {
    if present.code == PauseCode::WechatUnavailable {
        // WeChat has answered, or an operator acts.
        return false;
    }
    match (present.until, order.pause.until) {
        (None | Some(_), None) => false,
        (None, Some(_)) => true,
        (Some(present), Some(new)) => present > new,
    }
}

/// Carries out [`crate::Store::resume`].
pub(super) fn resume(tx: &Writing<'_>, appid: &AppId, now: UnixMillis) -> Res<bool> {
    let Some(app) = find(tx, appid)? else { return Ok(false) };
    write_pause(tx, appid, None)?;
    wake_app(tx, appid, now)?;
    if let Some(paused) = app.paused.as_ref().filter(|present| is_in_force(present, now)) {
        outbox::emit(tx, EventType::AppResumed, About::App(appid), now, || ResumedData {
            app: appid,
            code: paused.code,
            since: paused.since,
        })?;
    }
    Ok(app.paused.is_some())
}

/// Whether a pause has not ended by itself. An outage does not: its moment is that of the next probe.
fn is_in_force(paused: &AppPaused, now: UnixMillis) -> bool {
    paused.code == PauseCode::WechatUnavailable || paused.until.is_none_or(|until| now < until)
}

/// What is told of a pause.
#[derive(Serialize)]
struct PausedData<'a> {
    app: &'a AppId,
    code: PauseCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<Errcode>,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<UnixMillis>,
}

/// What is told of a pause that was ended.
#[derive(Serialize)]
struct ResumedData<'a> {
    app: &'a AppId,
    /// Why it was paused.
    code: PauseCode,
    since: UnixMillis,
}

fn write_pause(tx: &Writing<'_>, appid: &AppId, paused: Option<&AppPaused>) -> Res<()> {
    tx.app_changed(appid);
    change(
        tx,
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
