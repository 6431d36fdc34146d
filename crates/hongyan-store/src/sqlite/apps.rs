//! Apps and their pauses.

use hongyan_clock::UnixMillis;
use hongyan_ledger::OnUnknown;
use hongyan_ledger::settle::PauseCode;
use hongyan_ledger::start::AppGate;
use hongyan_wechat::{AppId, Errcode};
use rusqlite::{Connection, params};

use super::messages::cancel::cancel_app;
use super::messages::wake::{wake_app, wake_some};
use super::rows::{Cells, change, many, one};
use super::trouble::{Res, Trouble};
use crate::types::{AppPaused, AppRecord, PauseOrder, ProbeCursor, Probing, gate as gate_of};

/// So many users' messages are woken to be a probe. One would do, but it may come to nothing: its permit may be
/// gone, or its deadline over.
const PROBES_WOKEN: usize = 8;

/// The columns of an app, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "appid, name, secret, gateway_secret_hash, stable_token, on_unknown, payment_units, templates_synced_at, \
         created_at, updated_at, paused_code, paused_errcode, paused_detail, paused_since, paused_until"
    };
}

fn read(cells: &mut Cells<'_>) -> Res<AppRecord> {
    let mut app = AppRecord {
        appid: cells.parsed()?,
        name: cells.raw()?,
        secret: cells.raw()?,
        gateway_secret_hash: cells.raw()?,
        stable_token: cells.raw()?,
        on_unknown: cells.coded(OnUnknown::from_code)?,
        payment_units: cells.raw()?,
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

/// A probe has begun: nobody else goes before `probe_at`.
pub(super) fn close_behind_probe(db: &Connection, appid: &AppId, probe_at: UnixMillis) -> Res<()> {
    change(db, "UPDATE apps SET paused_until = ?2 WHERE appid = ?1", params![appid.as_str(), probe_at.0])?;
    Ok(())
}

/// Carries out [`crate::Store::probe`].
pub(super) fn probe(
    db: &Connection,
    appid: &AppId,
    after: Option<&ProbeCursor>,
    now: UnixMillis,
) -> Res<Probing> {
    let Some(gate @ AppGate::Broken { probe_at }) = gate(db, appid)? else { return Ok(Probing::Closed) };
    if gate.is_paused(now) {
        return Ok(Probing::NotBefore(probe_at));
    }
    let woken = wake_some(db, appid, after, PROBES_WOKEN, now)?;
    Ok(if woken.is_empty() { Probing::NoneReady } else { Probing::Woken(woken) })
}

/// Carries out [`crate::Store::add_app`].
pub(super) fn add(db: &Connection, app: &AppRecord) -> Res<bool> {
    let added = change(
        db,
        "INSERT INTO apps (appid, name, secret, gateway_secret_hash, stable_token, on_unknown, payment_units, \
         templates_synced_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        params![
            app.appid.as_str(),
            app.name,
            app.secret,
            app.gateway_secret_hash,
            app.stable_token,
            app.on_unknown.code(),
            app.payment_units,
            app.templates_synced_at.map(|at| at.0),
            app.created_at.0,
            app.updated_at.0,
        ],
    )?;
    if added == 0 {
        return Ok(false);
    }
    write_pause(db, &app.appid, app.paused.as_ref())?;
    // A message that was accepted while the app was being removed waits for it.
    wake_app(db, &app.appid, app.created_at)?;
    Ok(true)
}

/// Carries out [`crate::Store::update_app`]. The pause and the moment of the last synchronisation belong to other
/// verbs, which may run at the same time; they stay as they are.
pub(super) fn update(db: &Connection, app: &AppRecord) -> Res<bool> {
    let changed = change(
        db,
        "UPDATE apps SET name = ?2, secret = ?3, gateway_secret_hash = ?4, stable_token = ?5, on_unknown = ?6, \
         payment_units = ?7, updated_at = ?8 WHERE appid = ?1",
        params![
            app.appid.as_str(),
            app.name,
            app.secret,
            app.gateway_secret_hash,
            app.stable_token,
            app.on_unknown.code(),
            app.payment_units,
            app.updated_at.0,
        ],
    )?;
    Ok(changed == 1)
}

/// Carries out [`crate::Store::remove_app`].
pub(super) fn remove(db: &Connection, appid: &AppId, now: UnixMillis) -> Res<bool> {
    if change(db, "DELETE FROM apps WHERE appid = ?", [appid.as_str()])? == 0 {
        return Ok(false);
    }
    change(db, "DELETE FROM templates WHERE appid = ?", [appid.as_str()])?;
    change(db, "DELETE FROM tokens WHERE appid = ?", [appid.as_str()])?;
    change(db, "DELETE FROM gateway_tokens WHERE appid = ?", [appid.as_str()])?;
    cancel_app(db, appid, now)?;
    Ok(true)
}

/// Carries out [`crate::Store::pause`].
pub(super) fn pause(db: &Connection, order: &PauseOrder) -> Res<()> {
    let Some(app) = find(db, &order.appid)? else { return Ok(()) };
    if app.paused.as_ref().is_some_and(|present| outlasts(present, order)) {
        return Ok(());
    }
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
    write_pause(db, &order.appid, Some(&paused))?;
    if outage.is_some() && goes_on.is_none() {
        // What rests without a timer because of the outage must rest as the new pause wants it.
        wake_app(db, &order.appid, order.now)?;
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
pub(super) fn resume(db: &Connection, appid: &AppId, now: UnixMillis) -> Res<bool> {
    let Some(app) = find(db, appid)? else { return Ok(false) };
    write_pause(db, appid, None)?;
    wake_app(db, appid, now)?;
    Ok(app.paused.is_some())
}

fn write_pause(db: &Connection, appid: &AppId, paused: Option<&AppPaused>) -> Res<()> {
    change(
        db,
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
