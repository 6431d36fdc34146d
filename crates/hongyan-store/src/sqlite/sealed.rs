//! Sealed values, column by column: for a change of the key that sealed them.

use hongyan_ledger::{Lane, PersonId, WebhookId};
use hongyan_wechat::{AppId, OpenId};
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many};
use super::memory::Transaction;
use super::row_error::{RowError, RowResult};
use crate::rows::SealedRows;
use crate::types::{Reseal, Sealed, SealedKind, SealedOwner, SealedPage, SealedValue};

/// The table of a kind, with the statements for the column of its values.
enum Place {
    /// One row per app.
    Apps { page: &'static str, reseal: &'static str },
    /// One row per user, in lanes.
    Users { page: &'static str, reseal: &'static str },
    /// One row per webhook.
    Webhooks { page: &'static str, reseal: &'static str },
    /// One row per person.
    People { page: &'static str, reseal: &'static str },
}

/// A change of a setting raises the app's version: a caller that has read the app before must not write the old value back.
macro_rules! of_apps {
    ($column:literal) => {
        Place::Apps {
            page: concat!("SELECT appid, ", $column, " FROM apps WHERE appid > ? ORDER BY appid LIMIT ?"),
            reseal: concat!(
                "UPDATE apps SET ",
                $column,
                " = ?3, version = version + 1 WHERE appid = ?1 AND ",
                $column,
                " = ?2"
            ),
        }
    };
}

macro_rules! of_users {
    ($column:literal) => {
        Place::Users {
            page: concat!(
                "SELECT appid, openid, ",
                $column,
                " FROM users WHERE lane = ?1 AND (appid, openid) > (?2, ?3) ORDER BY appid, openid LIMIT ?4"
            ),
            reseal: concat!(
                "UPDATE users SET ",
                $column,
                " = ?5 WHERE lane = ?1 AND appid = ?2 AND openid = ?3 AND ",
                $column,
                " = ?4"
            ),
        }
    };
}

macro_rules! of_webhooks {
    ($column:literal) => {
        Place::Webhooks {
            page: concat!("SELECT id, ", $column, " FROM webhooks WHERE id > ? ORDER BY id LIMIT ?"),
            reseal: concat!("UPDATE webhooks SET ", $column, " = ?3 WHERE id = ?1 AND ", $column, " = ?2"),
        }
    };
}

const fn place(kind: SealedKind) -> Place {
    match kind {
        SealedKind::AppSecret => of_apps!("secret"),
        SealedKind::CallbackToken => of_apps!("callback_token"),
        SealedKind::CallbackAesKey => of_apps!("callback_aes_key"),
        SealedKind::AccessToken => Place::Apps {
            page: "SELECT appid, value FROM tokens WHERE appid > ? ORDER BY appid LIMIT ?",
            reseal: "UPDATE tokens SET value = ?3 WHERE appid = ?1 AND value = ?2",
        },
        SealedKind::SessionKey => of_users!("session_key"),
        SealedKind::PreviousSessionKey => of_users!("previous_session_key"),
        SealedKind::WebhookSecret => of_webhooks!("secret"),
        SealedKind::PreviousWebhookSecret => of_webhooks!("previous_secret"),
        SealedKind::Totp => Place::People {
            page: "SELECT id, totp FROM people WHERE id > ? ORDER BY id LIMIT ?",
            reseal: "UPDATE people SET totp = ?3 WHERE id = ?1 AND totp = ?2",
        },
    }
}

/// The owner of a row, and the value in the column, if there is a value.
type Found = (SealedOwner, Option<Sealed>);

/// Carries out [`crate::Store::sealed`].
pub(super) fn page(
    db: &Connection,
    kind: SealedKind,
    after: Option<&SealedOwner>,
    limit: u32,
) -> RowResult<SealedPage> {
    let rows = match (place(kind), after) {
        (Place::Apps { page, .. }, None) => apps(db, page, "", limit)?,
        (Place::Apps { page, .. }, Some(SealedOwner::App(appid))) => apps(db, page, appid.as_str(), limit)?,
        (Place::Users { page, .. }, None) => users(db, page, None, limit)?,
        (Place::Users { page, .. }, Some(SealedOwner::User(appid, openid))) => {
            users(db, page, Some((appid, openid)), limit)?
        }
        (Place::Webhooks { page, .. }, None) => webhooks(db, page, &[], limit)?,
        (Place::Webhooks { page, .. }, Some(SealedOwner::Webhook(id))) => {
            webhooks(db, page, id.as_bytes(), limit)?
        }
        (Place::People { page, .. }, None) => people(db, page, &[], limit)?,
        (Place::People { page, .. }, Some(SealedOwner::Person(id))) => {
            people(db, page, id.as_bytes(), limit)?
        }
        (_, Some(owner)) => return Err(no_place(kind, owner)),
    };
    let is_full = rows.len() >= limit as usize;
    let next = rows.last().filter(|_| is_full).map(|(owner, _)| owner.clone());
    let values =
        rows.into_iter().filter_map(|(owner, sealed)| Some(SealedValue { kind, owner, sealed: sealed? }));
    Ok(SealedPage { values: values.collect(), next })
}

fn apps(db: &Connection, sql: &str, after: &str, limit: u32) -> RowResult<Vec<Found>> {
    many(db, sql, params![after, limit], |cells: &mut Cells<'_>| {
        Ok((SealedOwner::App(cells.parsed()?), cells.raw()?))
    })
}

fn webhooks(db: &Connection, sql: &str, after: &[u8], limit: u32) -> RowResult<Vec<Found>> {
    many(db, sql, params![after, limit], |cells: &mut Cells<'_>| {
        Ok((SealedOwner::Webhook(WebhookId::from_bytes(cells.raw()?)), cells.raw()?))
    })
}

fn people(db: &Connection, sql: &str, after: &[u8], limit: u32) -> RowResult<Vec<Found>> {
    many(db, sql, params![after, limit], |cells: &mut Cells<'_>| {
        Ok((SealedOwner::Person(PersonId::from_bytes(cells.raw()?)), cells.raw()?))
    })
}

/// The values of users, lane by lane.
fn users(db: &Connection, sql: &str, after: Option<(&AppId, &OpenId)>, limit: u32) -> RowResult<Vec<Found>> {
    let begin = after.map_or(0, |(appid, openid)| Lane::of(appid, openid).number());
    let mut rows: Vec<Found> = Vec::new();
    for lane in Lane::all().filter(|lane| lane.number() >= begin) {
        let missing = limit.saturating_sub(rows.len() as u32);
        if missing == 0 {
            break;
        }
        let (appid, openid) = match after {
            Some((appid, openid)) if lane.number() == begin => (appid.as_str(), openid.as_str()),
            _ => ("", ""),
        };
        rows.extend(many(
            db,
            sql,
            params![lane.number(), appid, openid, missing],
            |cells: &mut Cells<'_>| Ok((SealedOwner::User(cells.parsed()?, cells.parsed()?), cells.raw()?)),
        )?);
    }
    Ok(rows)
}

impl SealedRows for Transaction<'_> {
    fn reseal(&self, Reseal { was, sealed }: &Reseal) -> RowResult<bool> {
        let changed = match (place(was.kind), &was.owner) {
            (Place::Apps { reseal, .. }, SealedOwner::App(appid)) => {
                change(self, reseal, params![appid.as_str(), was.sealed, sealed])?
            }
            (Place::Users { reseal, .. }, SealedOwner::User(appid, openid)) => {
                let lane = Lane::of(appid, openid).number();
                change(self, reseal, params![lane, appid.as_str(), openid.as_str(), was.sealed, sealed])?
            }
            (Place::Webhooks { reseal, .. }, SealedOwner::Webhook(id)) => {
                change(self, reseal, params![id.as_bytes(), was.sealed, sealed])?
            }
            (Place::People { reseal, .. }, SealedOwner::Person(id)) => {
                change(self, reseal, params![id.as_bytes(), was.sealed, sealed])?
            }
            (_, owner) => return Err(no_place(was.kind, owner)),
        };
        Ok(changed == 1)
    }
}

fn no_place(kind: SealedKind, owner: &SealedOwner) -> RowError {
    RowError::corrupt(format!("there is no {} of {owner:?}", kind.name()))
}
