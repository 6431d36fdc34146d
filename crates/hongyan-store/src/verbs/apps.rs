//! Apps and their pauses.

use hongyan_clock::UnixMillis;
use hongyan_ledger::gate::AppGate;
use hongyan_ledger::settle::PauseCode;
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::{AppId, Errcode};
use serde::Serialize;

use super::messages::cancel::cancel_app;
use super::messages::wake::{wake_app, wake_some};
use super::outbox;
use crate::row_error::RowResult;
use crate::rows::{About, Rows};
use crate::types::{AppChange, AppChanged, AppPaused, AppRecord, PauseOrder, ProbeWalk, Probing};

/// How many users' messages are woken for a probe. One message would do, but it may fail to go out: its permit may be gone,
/// or its deadline over.
const PROBES_WOKEN: usize = 8;

/// Carries out [`crate::Store::probe`].
pub(crate) fn probe(
    rows: &impl Rows,
    appid: &AppId,
    after: Option<&ProbeWalk>,
    now: UnixMillis,
) -> RowResult<Probing> {
    let Some(gate @ AppGate::Broken { probe_at }) = rows.gate(appid)? else { return Ok(Probing::Closed) };
    if gate.is_paused(now) {
        return Ok(Probing::NotBefore(probe_at));
    }
    let users = wake_some(rows, appid, after.map(|walk| &walk.user), PROBES_WOKEN, now)?;
    Ok(match users.last().cloned() {
        Some(user) => Probing::Woken { users, walk: ProbeWalk { user } },
        None => Probing::NoneReady,
    })
}

/// Carries out [`crate::Store::add_app`].
pub(crate) fn add(rows: &impl Rows, app: &AppRecord) -> RowResult<bool> {
    if !rows.insert_app(app)? {
        return Ok(false);
    }
    rows.signals().app(&app.appid);
    // A message that was accepted while the app was being removed waits for the app: wake it.
    wake_app(rows, &app.appid, app.created_at)?;
    Ok(true)
}

/// Carries out [`crate::Store::change_app`]. The pause and the time of the last synchronisation belong to other verbs, which
/// may run at the same time, so this leaves them alone.
pub(crate) fn alter(
    rows: &impl Rows,
    appid: &AppId,
    version: u64,
    wanted: &AppChange,
    now: UnixMillis,
) -> RowResult<AppChanged> {
    let Some(mut app) = rows.app(appid)? else { return Ok(AppChanged::NotFound) };
    if app.version != version {
        return Ok(AppChanged::Stale(app.version));
    }
    wanted.clone().apply(&mut app.settings);
    let next = version + 1;
    rows.update_settings(appid, &app.settings, next, now)?;
    if wanted.secret.is_some() {
        // The token was fetched with the old secret.
        rows.delete_token(appid)?;
    }
    rows.signals().app(appid);
    Ok(AppChanged::Done(next))
}

/// Carries out [`crate::Store::remove_app`].
pub(crate) fn remove(rows: &impl Rows, appid: &AppId, now: UnixMillis) -> RowResult<bool> {
    if !rows.delete_app(appid)? {
        return Ok(false);
    }
    rows.signals().app(appid);
    cancel_app(rows, appid, now)?;
    Ok(true)
}

/// Carries out [`crate::Store::pause`].
pub(crate) fn pause(rows: &impl Rows, order: &PauseOrder) -> RowResult<()> {
    let Some(app) = rows.app(&order.appid)? else { return Ok(()) };
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
    write_pause(rows, &order.appid, Some(&paused))?;
    // All messages that were in flight may meet the same trouble: that is one pause, and one event.
    if !before.is_some_and(|(code, is_in_force)| is_in_force && code == paused.code) {
        outbox::emit(rows, EventType::AppPaused, About::App(&order.appid), order.now, || PausedData {
            app: &order.appid,
            code: paused.code,
            errcode: paused.errcode,
            detail: &paused.detail,
            until: paused.until,
        })?;
    }
    if outage.is_some() && goes_on.is_none() {
        // Messages that rest without a timer because of the outage must rest by the rules of the new pause.
        wake_app(rows, &order.appid, order.now)?;
    }
    Ok(())
}

/// Whether a pause stays in spite of a new one. A pause that needs an operator gives way only to another such pause. A pause
/// that ends by itself gives way to a pause that lasts at least as long: a minute's quota does not end a day's.
fn outlasts(present: &AppPaused, order: &PauseOrder) -> bool {
    if present.code == PauseCode::WechatUnavailable {
        // WeChat has answered, or an operator acts: the outage is over.
        return false;
    }
    match (present.until, order.pause.until) {
        (None | Some(_), None) => false,
        (None, Some(_)) => true,
        (Some(present), Some(new)) => present > new,
    }
}

/// Carries out [`crate::Store::resume`].
pub(crate) fn resume(rows: &impl Rows, appid: &AppId, now: UnixMillis) -> RowResult<bool> {
    let Some(app) = rows.app(appid)? else { return Ok(false) };
    write_pause(rows, appid, None)?;
    wake_app(rows, appid, now)?;
    if let Some(paused) = app.paused.as_ref().filter(|present| is_in_force(present, now)) {
        outbox::emit(rows, EventType::AppResumed, About::App(appid), now, || ResumedData {
            app: appid,
            code: paused.code,
            since: paused.since,
        })?;
    }
    Ok(app.paused.is_some())
}

/// Whether a pause has not ended by itself. An outage does not end by itself: its moment is the moment of the next probe.
fn is_in_force(paused: &AppPaused, now: UnixMillis) -> bool {
    paused.code == PauseCode::WechatUnavailable || paused.until.is_none_or(|until| now < until)
}

/// The data of an event about a pause.
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

/// The data of an event about the end of a pause.
#[derive(Serialize)]
struct ResumedData<'a> {
    app: &'a AppId,
    /// Why the app was paused.
    code: PauseCode,
    since: UnixMillis,
}

fn write_pause(rows: &impl Rows, appid: &AppId, paused: Option<&AppPaused>) -> RowResult<()> {
    rows.update_pause(appid, paused)?;
    rows.signals().app(appid);
    Ok(())
}
