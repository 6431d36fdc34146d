//! Templates of apps.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, TemplateId};

use crate::row_error::RowResult;
use crate::types::TemplateRecord;

/// Questions about templates, and writes of templates.
pub(crate) trait TemplateRows {
    /// An app's templates, by title.
    fn templates(&self, appid: &AppId) -> RowResult<Vec<TemplateRecord>>;

    /// Whether a template is for long-term subscriptions; `None`: the template is not known.
    fn is_long_term(&self, appid: &AppId, template: &TemplateId) -> RowResult<Option<bool>>;

    /// Replaces all templates of an app by these. Of two templates with one id the last counts.
    fn replace_templates(&self, appid: &AppId, templates: &[TemplateRecord]) -> RowResult<()>;

    /// Writes when WeChat was last asked for an app's templates. `false`: there is no such app, or WeChat was asked at a
    /// later time.
    fn templates_synced(&self, appid: &AppId, asked_at: UnixMillis) -> RowResult<bool>;
}
