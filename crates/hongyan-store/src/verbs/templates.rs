//! Templates of apps.

use std::collections::HashMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::{AppId, TemplateId};
use serde::Serialize;

use super::outbox;
use crate::row_error::RowResult;
use crate::rows::{About, Rows};
use crate::types::{TemplateChange, TemplateChangeKind, TemplateRecord};

/// Carries out [`crate::Store::put_templates`].
pub(crate) fn put(
    rows: &impl Rows,
    appid: &AppId,
    templates: &[TemplateRecord],
    asked_at: UnixMillis,
) -> RowResult<Vec<TemplateChange>> {
    if !rows.templates_synced(appid, asked_at)? {
        return Ok(Vec::new());
    }
    rows.signals().app(appid);
    let before = rows.templates(appid)?;
    rows.replace_templates(appid, templates)?;
    let changes = difference(before, rows.templates(appid)?);
    tell(rows, appid, &changes, asked_at)?;
    Ok(changes)
}

/// The differences, by title.
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

/// The data of an event about changed templates.
#[derive(Serialize)]
struct ChangedData<'a> {
    app: &'a AppId,
    added: Vec<&'a TemplateId>,
    removed: Vec<&'a TemplateId>,
    changed: Vec<&'a TemplateId>,
}

/// Writes the webhook event, if there are differences and a webhook wants it.
fn tell(rows: &impl Rows, appid: &AppId, changes: &[TemplateChange], now: UnixMillis) -> RowResult<()> {
    if changes.is_empty() {
        return Ok(());
    }
    outbox::emit(rows, EventType::TemplateChanged, About::App(appid), now, || {
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
