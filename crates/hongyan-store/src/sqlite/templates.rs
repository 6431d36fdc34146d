//! Templates of apps.

use std::collections::BTreeMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::Channel;
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::{AppId, TemplateId};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::memory::Writing;
use super::outbox::{self, About};
use super::rows::{Cells, change, many};
use super::trouble::{Res, Trouble};
use crate::types::TemplateRecord;

/// Carries out [`crate::Store::put_templates`].
pub(super) fn put(db: &Writing<'_>, appid: &AppId, templates: &[TemplateRecord], now: UnixMillis) -> Res<()> {
    tell_changes(db, appid, templates, now)?;
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
    change(db, "UPDATE apps SET templates_synced_at = ?2 WHERE appid = ?1", params![appid.as_str(), now.0])?;
    Ok(())
}

/// What is told of templates that changed.
#[derive(Serialize)]
struct ChangedData<'a> {
    app: &'a AppId,
    added: Vec<&'a TemplateId>,
    removed: Vec<&'a TemplateId>,
    changed: Vec<&'a TemplateId>,
}

/// Tells what these templates change about those that are known, if they change anything.
fn tell_changes(tx: &Writing<'_>, appid: &AppId, templates: &[TemplateRecord], now: UnixMillis) -> Res<()> {
    if !outbox::is_wanted(tx, EventType::TemplateChanged, Some(appid))? {
        return Ok(());
    }
    let by_id = |templates: &[TemplateRecord]| -> BTreeMap<TemplateId, TemplateRecord> {
        templates.iter().map(|template| (template.template_id.clone(), template.clone())).collect()
    };
    let (before, after) = (by_id(&of(tx, appid)?), by_id(templates));
    let data = ChangedData {
        app: appid,
        added: after.keys().filter(|id| !before.contains_key(*id)).collect(),
        removed: before.keys().filter(|id| !after.contains_key(*id)).collect(),
        changed: after
            .iter()
            .filter(|(id, now)| before.get(*id).is_some_and(|was| was != *now))
            .map(|(id, _)| id)
            .collect(),
    };
    if data.added.is_empty() && data.removed.is_empty() && data.changed.is_empty() {
        return Ok(());
    }
    outbox::emit(tx, EventType::TemplateChanged, About::App(appid), now, || data)
}

/// Carries out [`crate::Store::templates`].
pub(super) fn of(db: &Connection, appid: &AppId) -> Res<Vec<TemplateRecord>> {
    many(
        db,
        "SELECT appid, template_id, channel, long_term, title, content, example, enums FROM templates \
         WHERE appid = ? ORDER BY title, template_id",
        [appid.as_str()],
        |cells: &mut Cells<'_>| {
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
        },
    )
}
