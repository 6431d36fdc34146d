//! Events that WeChat pushed: receiving each once, and doing what it asks for.
//!
//! An event is durable before anything is done about it, and all that it does is done in one transaction with marking
//! it as done: a process that dies in between begins again, or has finished.

use hongyan_clock::UnixMillis;
use hongyan_ledger::acceptance::Source;
use hongyan_ledger::delivery::{Choice, look_again};
use hongyan_ledger::explain::{Deed as ExplainedDeed, Trace};
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{EventId, LANES, Lane, PermitId, PermitKind, app_number};
use hongyan_wechat::{AppId, OpenId, TemplateId};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::cells::{Cells, change, many, one, page};
use super::memory::Writing;
use super::trouble::{Res, Trouble};
use crate::rows::{About, AppRows, PermitRows, Rows, User};
use crate::types::{
    AddressCheck, Applied, ApplyOrder, CallbackStatus, Deed, Effect, EventFilter, EventState, EventView,
    NewEvent, NewPermit, OpenEvents, Page, Received,
};
use crate::verbs::messages::{deliver, wake};
use crate::verbs::{acceptances, outbox, permits};

/// The columns of an event, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "id, appid, openid, name, create_time, received_at, state, tries, worked_at, effects, body"
    };
}

fn read(cells: &mut Cells<'_>) -> Res<EventView> {
    let id = cells.event_id()?;
    Ok(EventView {
        id,
        appid: cells.parsed()?,
        openid: cells.parsed_or_none()?,
        name: cells.raw()?,
        create_time: cells.raw()?,
        received_at: cells.moment()?,
        state: cells.coded(EventState::from_code)?,
        tries: cells.raw()?,
        worked_at: cells.moment_or_none()?,
        effects: effects(&cells.raw::<String>()?)?,
        body: cells.raw()?,
    })
}

/// Carries out [`crate::Store::receive_event`].
pub(super) fn receive(tx: &Writing<'_>, event: &NewEvent) -> Res<Received> {
    // Not in the user's lane: a forged content may name any user, and any app that has the same token.
    let nonces = event.nonce_hash[0] % LANES;
    let under_nonce = one(
        tx,
        "SELECT digest FROM event_nonces WHERE lane = ? AND hash = ?",
        params![nonces, event.nonce_hash],
        |cells| cells.raw::<[u8; 32]>(),
    )?;
    if under_nonce.is_some_and(|digest| digest != event.digest) {
        return Ok(Received::NonceReused);
    }
    if under_nonce.is_none() {
        change(
            tx,
            "INSERT INTO event_nonces (lane, hash, digest, expires_at) VALUES (?, ?, ?, ?)",
            params![nonces, event.nonce_hash, event.digest, event.nonce_expires_at.0],
        )?;
    }
    let user = event.openid.as_ref().map(|openid| User::of(&event.appid, openid));
    let number = user.as_ref().map_or_else(|| app_number(&event.appid), |user| user.number);
    let lane = Lane::of_number(number);
    if event.id.lane() != Some(lane) {
        return Err(Trouble::corrupt(format!("{} was not made for lane {lane}", event.id)));
    }
    let known = one(
        tx,
        "SELECT id FROM events WHERE lane = ? AND user = ? AND digest = ?",
        params![lane.number(), number.cast_signed(), event.digest],
        |cells| cells.event_id(),
    )?;
    heard(tx, event)?;
    if let Some(id) = known {
        return Ok(Received::Repeated { id });
    }
    received(tx, event, lane, number)?;
    Ok(Received::New)
}

/// The event is new. What must be passed on with it belongs here, into the transaction that makes it durable.
fn received(tx: &Writing<'_>, event: &NewEvent, lane: Lane, number: u64) -> Res<()> {
    change(
        tx,
        "INSERT INTO events (id, lane, user, appid, openid, name, digest, create_time, received_at, state, wake_at, \
         tries, effects, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?9, 0, '[]', ?11)",
        params![
            event.id.as_bytes(),
            lane.number(),
            number.cast_signed(),
            event.appid.as_str(),
            event.openid.as_ref().map(|openid| openid.as_str()),
            event.name,
            event.digest,
            event.create_time,
            event.received_at.0,
            EventState::Received.code(),
            event.body,
        ],
    )?;
    tx.signals().event(lane, event.received_at);
    let user = event.openid.as_ref().map(|openid| User::of(&event.appid, openid));
    let about = user.as_ref().map_or(About::App(&event.appid), About::User);
    outbox::emit(tx, EventType::WechatEvent, about, event.received_at, || PassedOn {
        id: event.id,
        app: &event.appid,
        openid: event.openid.as_ref(),
        name: &event.name,
        body: serde_json::from_str(&event.body).unwrap_or_default(),
    })
}

/// What is told of an event of WeChat's.
#[derive(Serialize)]
struct PassedOn<'a> {
    id: EventId,
    app: &'a AppId,
    #[serde(skip_serializing_if = "Option::is_none")]
    openid: Option<&'a OpenId>,
    name: &'a str,
    /// All of it, as WeChat pushed it.
    body: serde_json::Value,
}

/// The app's callback works: an event came by it, new or not.
fn heard(tx: &Writing<'_>, event: &NewEvent) -> Res<()> {
    change(
        tx,
        "INSERT INTO callbacks (appid, last_event_at, last_sent_event_at) VALUES (?1, ?2, ?3) ON CONFLICT (appid) \
         DO UPDATE SET last_event_at = ?2, last_sent_event_at = COALESCE(?3, last_sent_event_at)",
        params![
            event.appid.as_str(),
            event.received_at.0,
            event.is_sent_report.then_some(event.received_at.0)
        ],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::callback_verified`].
pub(super) fn verified(tx: &Writing<'_>, appid: &AppId, check: &AddressCheck) -> Res<()> {
    // No event has this digest, so each one under this nonce is another content.
    change(
        tx,
        "INSERT INTO event_nonces (lane, hash, digest, expires_at) VALUES (?, ?, zeroblob(32), ?) \
         ON CONFLICT DO NOTHING",
        params![check.nonce_hash[0] % LANES, check.nonce_hash, check.nonce_expires_at.0],
    )?;
    change(
        tx,
        "INSERT INTO callbacks (appid, verified_at) VALUES (?1, ?2) \
         ON CONFLICT (appid) DO UPDATE SET verified_at = ?2",
        params![appid.as_str(), check.at.0],
    )?;
    Ok(())
}

/// Carries out [`crate::Store::callback_status`].
pub(super) fn status(db: &Connection, appid: &AppId) -> Res<CallbackStatus> {
    let status = one(
        db,
        "SELECT verified_at, last_event_at, last_sent_event_at FROM callbacks WHERE appid = ?",
        [appid.as_str()],
        read_status,
    )?;
    Ok(status.unwrap_or_default())
}

/// Carries out [`crate::Store::callback_statuses`].
pub(super) fn statuses(db: &Connection) -> Res<Vec<(AppId, CallbackStatus)>> {
    many(
        db,
        "SELECT appid, verified_at, last_event_at, last_sent_event_at FROM callbacks",
        [],
        |cells: &mut Cells<'_>| Ok((cells.parsed()?, read_status(cells)?)),
    )
}

fn read_status(cells: &mut Cells<'_>) -> Res<CallbackStatus> {
    Ok(CallbackStatus {
        verified_at: cells.moment_or_none()?,
        last_event_at: cells.moment_or_none()?,
        last_sent_event_at: cells.moment_or_none()?,
    })
}

/// Carries out [`crate::Store::open_events`].
pub(super) fn open(db: &Connection, lane: Lane, now: UnixMillis, limit: u32) -> Res<OpenEvents> {
    let mut due = many(
        db,
        concat!(
            "SELECT ",
            columns!(),
            " FROM events INDEXED BY events_open WHERE lane = ? AND wake_at IS NOT NULL AND wake_at <= ? \
             ORDER BY wake_at, id LIMIT ?"
        ),
        params![lane.number(), now.0, limit],
        read,
    )?;
    let next_wake = if due.len() == limit as usize {
        Some(now)
    } else {
        one(
            db,
            "SELECT wake_at FROM events INDEXED BY events_open WHERE lane = ? AND wake_at > ? ORDER BY wake_at LIMIT 1",
            params![lane.number(), now.0],
            |cells| cells.moment(),
        )?
    };
    due.sort_by_key(|event| event.id);
    Ok(OpenEvents { due, next_wake })
}

/// Whether there is an event about this user that was not worked on yet.
pub(super) fn has_open(db: &Connection, user: &User) -> Res<bool> {
    let open = one(
        db,
        "SELECT 1 FROM events INDEXED BY events_open WHERE lane = ? AND wake_at IS NOT NULL AND user = ? LIMIT 1",
        params![user.lane.number(), user.key()],
        |cells| cells.raw::<i64>(),
    )?;
    Ok(open.is_some())
}

fn find(db: &Connection, id: EventId) -> Res<Option<EventView>> {
    let Some(lane) = id.lane() else { return Ok(None) };
    one(
        db,
        concat!("SELECT ", columns!(), " FROM events WHERE lane = ? AND id = ?"),
        params![lane.number(), id.as_bytes()],
        read,
    )
}

/// Carries out [`crate::Store::apply_event`].
pub(super) fn apply(tx: &Writing<'_>, order: &ApplyOrder) -> Res<Option<Applied>> {
    let Some(event) = find(tx, order.id)?.filter(|event| event.state != EventState::Done) else {
        return Ok(None);
    };
    let mut applied =
        Applied { state: EventState::Done, effects: Vec::new(), ended: Vec::new(), woken: 0, wake_at: None };
    let user = event.openid.as_ref().map(|openid| User::of(&event.appid, openid));
    // What an app that was removed meanwhile left is history.
    if let Some(user) = user.filter(|_| !order.deeds.is_empty())
        && tx.gate(&event.appid)?.is_some()
    {
        applied.wake_at = must_wait(tx, &user, &event, order)?;
        if applied.wake_at.is_some() {
            applied.state = EventState::Parked;
        } else {
            for deed in &order.deeds {
                carry_out(tx, &user, &event, deed, order.now, &mut applied)?;
            }
        }
    }
    let effects = serde_json::to_string(&applied.effects)
        .map_err(|why| Trouble::corrupt(format!("the effects of {}: {why}", event.id)))?;
    let is_done = applied.state == EventState::Done;
    change(
        tx,
        "UPDATE events SET state = ?3, wake_at = ?4, tries = tries + ?5, worked_at = ?6, effects = ?7 \
         WHERE lane = ?1 AND id = ?2",
        params![
            event.id.lane().map(Lane::number),
            event.id.as_bytes(),
            applied.state.code(),
            applied.wake_at.map(|at| at.0),
            u32::from(!is_done),
            is_done.then_some(order.now.0),
            effects,
        ],
    )?;
    if let (Some(lane), Some(at)) = (event.id.lane(), applied.wake_at) {
        tx.signals().event(lane, at);
    }
    Ok(Some(applied))
}

/// Whether one of the event's reports is about a message that is still awaiting its answer: then nothing of the event
/// is done yet. When to look again.
fn must_wait(
    tx: &Writing<'_>,
    user: &User,
    event: &EventView,
    order: &ApplyOrder,
) -> Res<Option<UnixMillis>> {
    let Some(again) = look_again(event.tries, event.received_at, order.now) else { return Ok(None) };
    for deed in &order.deeds {
        if let Deed::Report(report) = deed
            && deliver::choose(tx, user, report, event.received_at, true)? == Choice::Wait
        {
            return Ok(Some(again));
        }
    }
    Ok(None)
}

fn carry_out(
    tx: &Writing<'_>,
    user: &User,
    event: &EventView,
    deed: &Deed,
    now: UnixMillis,
    applied: &mut Applied,
) -> Res<()> {
    match deed {
        Deed::Accept { template, permit } => {
            let effect = accept(tx, user, template, *permit, event.received_at, now)?;
            if let Effect::Granted { woken, .. } = &effect {
                applied.woken += woken;
            }
            applied.effects.push(effect);
        }
        Deed::Withdraw { template } => applied.effects.append(&mut withdraw(tx, user, template)?),
        Deed::Report(report) => {
            let effect = match deliver::choose(tx, user, report, event.received_at, false)? {
                Choice::Message(id) => {
                    let ended = deliver::deliver(tx, id, report, now)?;
                    applied.ended.push(ended);
                    match ended.errcode {
                        None => Effect::Delivered { message: id },
                        Some(errcode) => {
                            Effect::Refused { message: id, errcode, errmsg: report.error_status.clone() }
                        }
                    }
                }
                Choice::Ended(message) => Effect::AlreadySettled { message },
                // Patience is at its end, and the event is about nothing else.
                Choice::Wait | Choice::Nobody => Effect::NoMessage { template: report.template.clone() },
            };
            applied.effects.push(effect);
        }
    }
    Ok(())
}

/// The user accepted: one unit, or messages without number if the template's subscription is long-term. A template that
/// is not known here is taken for a one-time one, as nearly all are.
fn accept(
    tx: &Writing<'_>,
    user: &User,
    template: &TemplateId,
    permit: PermitId,
    received_at: UnixMillis,
    now: UnixMillis,
) -> Res<Effect> {
    let long_term = one(
        tx,
        "SELECT long_term FROM templates WHERE appid = ? AND template_id = ?",
        params![user.appid.as_str(), template.as_str()],
        |cells| cells.raw::<bool>(),
    )?;
    let is_long_term = long_term.unwrap_or(false);
    let kind = if is_long_term { PermitKind::SubscribeLongTerm } else { PermitKind::SubscribeOnce };
    if !is_long_term && acceptances::report(tx, user, template, Source::Wechat, 1, received_at)? == 0 {
        return Ok(Effect::AlreadyReported { template: template.clone() });
    }
    let new = NewPermit {
        id: permit,
        appid: user.appid.clone(),
        openid: user.openid.clone(),
        kind,
        code: None,
        template: Some(template.clone()),
        count: 1,
        expires_at: None,
        // Done above.
        reported_by: None,
        claim: None,
    };
    let (permit, _) = permits::grant_one(tx, user, &new, now)?;
    permits::tell(tx, user, &permit, &new, now)?;
    let woken = wake::wake_waiting(tx, user, &permit, now)?;
    Ok(Effect::Granted { template: template.clone(), kind, permit: permit.id, woken })
}

/// The user wants no more: what is left of the subscriptions to this template is void. What is kept for a message stays
/// its own; WeChat will say what it thinks of that.
fn withdraw(tx: &Writing<'_>, user: &User, template: &TemplateId) -> Res<Vec<Effect>> {
    let mut effects = Vec::new();
    for mut permit in tx.permits(user)? {
        let is_meant = matches!(permit.kind, PermitKind::SubscribeOnce | PermitKind::SubscribeLongTerm)
            && permit.template.as_ref() == Some(template);
        if !is_meant || !permit.units.can_serve() {
            continue;
        }
        let units = permit.units.revoke_rest();
        tx.update_permit(user, &permit)?;
        effects.push(Effect::Revoked {
            template: template.clone(),
            kind: permit.kind,
            permit: permit.id,
            units,
        });
    }
    Ok(effects)
}

/// When the user withdrew which permit, as the events that are kept say.
pub(super) fn withdrawals(db: &Connection, user: &User) -> Res<Vec<Trace>> {
    let events = many(
        db,
        "SELECT worked_at, effects FROM events INDEXED BY events_of_user WHERE lane = ? AND user = ? AND appid = ? \
         AND openid = ? AND worked_at IS NOT NULL AND effects LIKE '%\"revoked\"%'",
        params![user.lane.number(), user.key(), user.appid.as_str(), user.openid.as_str()],
        |cells: &mut Cells<'_>| Ok((cells.moment()?, effects(&cells.raw::<String>()?)?)),
    )?;
    let of_event = |(at, effects): (UnixMillis, Vec<Effect>)| {
        effects.into_iter().filter_map(move |effect| match effect {
            Effect::Revoked { permit, .. } => {
                Some(Trace { permit, message: None, deed: ExplainedDeed::Withdrawn { at } })
            }
            _ => None,
        })
    };
    Ok(events.into_iter().flat_map(of_event).collect())
}

fn effects(json: &str) -> Res<Vec<Effect>> {
    serde_json::from_str(json).map_err(|why| Trouble::corrupt(format!("the effects of an event: {why}")))
}

/// What every page has in common; the numbers are those of `list`. The first column says whether the row fits.
macro_rules! page_of {
    ($where:literal) => {
        concat!(
            "SELECT ((?2 IS NULL OR appid = ?2) AND (?3 IS NULL OR openid = ?3) AND (?4 IS NULL OR name = ?4) \
             AND (?5 IS NULL OR lane = ?5) AND (?6 IS NULL OR user = ?6)) IS TRUE, id, ",
            columns!(),
            " FROM events ",
            $where,
            " AND id < ?1 ORDER BY id DESC"
        )
    };
}

/// Carries out [`crate::Store::events`]. A user's events are read together and sorted; other pages walk back from the
/// newest, for at most `look_at` events.
pub(super) fn list(db: &Connection, filter: &EventFilter) -> Res<Page<EventView, EventId>> {
    const OF_USER: &str = page_of!("INDEXED BY events_of_user WHERE lane = ?5 AND user = ?6");
    const ALL: &str = page_of!("WHERE TRUE");
    let user = match (&filter.appid, &filter.openid) {
        (Some(appid), Some(openid)) => Some(User::of(appid, openid)),
        _ => None,
    };
    let before = filter.before.unwrap_or(EventId::from_bytes([0xff; 16]));
    page(
        db,
        if user.is_some() { OF_USER } else { ALL },
        params![
            before.as_bytes(),
            filter.appid.as_ref().map(AsRef::<str>::as_ref),
            filter.openid.as_ref().map(AsRef::<str>::as_ref),
            filter.name,
            user.as_ref().map(|user| user.lane.number()),
            user.as_ref().map(User::key),
        ],
        (filter.limit, filter.look_at),
        |cells| {
            let (fits, id) = (cells.raw()?, cells.event_id()?);
            Ok((id, if fits { Some(read(cells)?) } else { None }))
        },
    )
}
