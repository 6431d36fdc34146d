//! Templates of apps.

use std::collections::HashMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::Channel;
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::{AppId, TemplateId};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::cells::{Cells, change, many};
use super::memory::Writing;
use super::trouble::{Res, Trouble};
use crate::rows::{About, Rows};
use crate::types::{TemplateChange, TemplateChangeKind, TemplateRecord};
use crate::verbs::outbox;

/// The columns of a template, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "appid, template_id, channel, long_term, title, content, example, enums"
    };
}

/// Carries out [`crate::Store::put_templates`].
pub(super) fn put(
    db: &Writing<'_>,
    appid: &AppId,
    templates: &[TemplateRecord],
    now: UnixMillis,
) -> Res<Vec<TemplateChange>> {
    let known = change(
        db,
        "UPDATE apps SET templates_synced_at = ?2 WHERE appid = ?1",
        params![appid.as_str(), now.0],
    )?;
    if known == 0 {
        return Ok(Vec::new());
    }
    db.signals().app(appid);
    let before = of(db, appid)?;
    change(db, "DELETE FROM templates WHERE appid = ?", [appid.as_str()])?;
    for template in templates {
        let enums = serde_json::to_string(&template.enums)
            .map_err(|why| Trouble::corrupt(format!("the enums of {}: {why}", template.template_id)))?;
        change(
            db,
            // WeChat may list one twice; the last word counts.
            "INSERT OR REPLACE INTO templates (appid, template_id, channel, long_term, title, content, example, \
             enums) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                appid.as_str(),
                template.template_id.as_str(),
                template.channel.code(),
                template.long_term,
                template.title,
                template.content,
                template.example,
                enums,
            ],
        )?;
    }
    let changes = difference(before, of(db, appid)?);
    tell(db, appid, &changes, now)?;
    Ok(changes)
}

/// What is different, by title.
fn difference(before: Vec<TemplateRecord>, after: Vec<TemplateRecord>) -> Vec<TemplateChange> {
    let mut before: HashMap<_, _> =
        before.into_iter().map(|template| (template.template_id.clone(), template)).collect();
    let mut changes = Vec::new();
    for template in after {
        match before.remove(&template.template_id) {
            Some(old) if old == template => {}
            Some(_) => changes.push(TemplateChange { kind: TemplateChangeKind::Changed, template }),
            None => changes.push(TemplateChange { kind: TemplateChangeKind::Added, template }),
        }
    }
    let gone = before.into_values();
    changes.extend(gone.map(|template| TemplateChange { kind: TemplateChangeKind::Removed, template }));
    changes.sort_by(|a, b| {
        let key =
            |change: &TemplateChange| (change.template.title.clone(), change.template.template_id.clone());
        key(a).cmp(&key(b))
    });
    changes
}

/// What is told of templates that changed.
#[derive(Serialize)]
struct ChangedData<'a> {
    app: &'a AppId,
    added: Vec<&'a TemplateId>,
    removed: Vec<&'a TemplateId>,
    changed: Vec<&'a TemplateId>,
}

/// Tells what is different, if anything is and somebody wants to know.
fn tell(tx: &Writing<'_>, appid: &AppId, changes: &[TemplateChange], now: UnixMillis) -> Res<()> {
    if changes.is_empty() {
        return Ok(());
    }
    outbox::emit(tx, EventType::TemplateChanged, About::App(appid), now, || {
        let of = |kind| {
            let those = changes.iter().filter(|change| change.kind == kind);
            those.map(|change| &change.template.template_id).collect()
        };
        ChangedData {
            app: appid,
            added: of(TemplateChangeKind::Added),
            removed: of(TemplateChangeKind::Removed),
            changed: of(TemplateChangeKind::Changed),
        }
    })
}

/// Carries out [`crate::Store::templates`].
pub(super) fn of(db: &Connection, appid: &AppId) -> Res<Vec<TemplateRecord>> {
    many(
        db,
        concat!("SELECT ", columns!(), " FROM templates WHERE appid = ? ORDER BY title, template_id"),
        [appid.as_str()],
        read,
    )
}

/// Carries out [`crate::Store::all_templates`].
pub(super) fn all(db: &Connection) -> Res<Vec<TemplateRecord>> {
    many(db, concat!("SELECT ", columns!(), " FROM templates ORDER BY appid, title, template_id"), [], read)
}

fn read(cells: &mut Cells<'_>) -> Res<TemplateRecord> {
    Ok(TemplateRecord {
        appid: cells.parsed()?,
        template_id: cells.parsed()?,
        channel: cells.coded(Channel::from_code)?,
        long_term: cells.raw()?,
        title: cells.raw()?,
        content: cells.raw()?,
        example: cells.raw()?,
        enums: {
            let json: String = cells.raw()?;
            serde_json::from_str(&json).map_err(|why| Trouble::corrupt(format!("{json}: {why}")))?
        },
    })
}
