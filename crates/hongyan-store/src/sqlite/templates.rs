//! Templates in SQLite.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Channel;
use hongyan_wechat::{AppId, TemplateId};
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many, one};
use super::memory::Transaction;
use super::row_error::{RowError, RowResult};
use crate::rows::TemplateRows;
use crate::types::TemplateRecord;

/// The columns of a template, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "appid, template_id, channel, long_term, title, content, example, enums"
    };
}

impl TemplateRows for Transaction<'_> {
    fn templates(&self, appid: &AppId) -> RowResult<Vec<TemplateRecord>> {
        of(self, appid)
    }

    fn is_long_term(&self, appid: &AppId, template: &TemplateId) -> RowResult<Option<bool>> {
        one(
            self,
            "SELECT long_term FROM templates WHERE appid = ? AND template_id = ?",
            params![appid.as_str(), template.as_str()],
            |cells| cells.raw(),
        )
    }

    fn replace_templates(&self, appid: &AppId, templates: &[TemplateRecord]) -> RowResult<()> {
        change(self, "DELETE FROM templates WHERE appid = ?", [appid.as_str()])?;
        for template in templates {
            let enums = serde_json::to_string(&template.enums)
                .map_err(|why| RowError::corrupt(format!("the enums of {}: {why}", template.template_id)))?;
            change(
                self,
                // WeChat may list a template twice; the last one counts.
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
        Ok(())
    }

    fn templates_synced(&self, appid: &AppId, asked_at: UnixMillis) -> RowResult<bool> {
        let known = change(
            self,
            "UPDATE apps SET templates_synced_at = ?2 WHERE appid = ?1 \
             AND (templates_synced_at IS NULL OR templates_synced_at <= ?2)",
            params![appid.as_str(), asked_at.0],
        )?;
        Ok(known > 0)
    }
}

/// Carries out [`crate::Store::templates`].
pub(super) fn of(db: &Connection, appid: &AppId) -> RowResult<Vec<TemplateRecord>> {
    many(
        db,
        concat!("SELECT ", columns!(), " FROM templates WHERE appid = ? ORDER BY title, template_id"),
        [appid.as_str()],
        read,
    )
}

/// Carries out [`crate::Store::all_templates`].
pub(super) fn all(db: &Connection) -> RowResult<Vec<TemplateRecord>> {
    many(db, concat!("SELECT ", columns!(), " FROM templates ORDER BY appid, title, template_id"), [], read)
}

fn read(cells: &mut Cells<'_>) -> RowResult<TemplateRecord> {
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
            serde_json::from_str(&json).map_err(|why| RowError::corrupt(format!("{json}: {why}")))?
        },
    })
}
