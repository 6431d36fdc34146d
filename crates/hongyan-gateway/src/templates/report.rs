//! What a synchronisation did, for whoever asked for it.

use hongyan_store::types::TemplateChange;
use hongyan_wechat::{Errcode, TemplateId};
use serde::Serialize;

use crate::schemas;

/// What a synchronisation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SyncReport {
    /// The templates of subscribe messages.
    pub subscribe: LibraryReport,
    /// The templates of the old kind.
    pub legacy: LibraryReport,
    /// What is different now.
    pub changes: Vec<ChangeReport>,
}

/// One template that came, went, or says something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = TemplateChange)]
pub struct ChangeReport {
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// Its id.
    #[schema(value_type = schemas::TemplateId)]
    pub template: TemplateId,
    /// Its title.
    pub title: String,
}

impl From<&TemplateChange> for ChangeReport {
    fn from(change: &TemplateChange) -> Self {
        Self {
            change: change.kind.name(),
            template: change.template.template_id.clone(),
            title: change.template.title.clone(),
        }
    }
}

impl SyncReport {
    /// Both libraries were read, as far as the app has them.
    pub fn is_complete(&self) -> bool {
        [&self.subscribe, &self.legacy].into_iter().all(|library| library.state != LibraryState::Failed)
    }

    /// What went wrong, if something did.
    pub fn trouble(&self) -> Option<&LibraryReport> {
        [&self.subscribe, &self.legacy].into_iter().find(|library| library.state == LibraryState::Failed)
    }
}

/// What the synchronisation of one library did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LibraryReport {
    /// How it went.
    pub state: LibraryState,
    /// How many of its templates are known now.
    pub templates: usize,
    /// WeChat's errcode, if it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub errcode: Option<Errcode>,
    /// What went wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How the synchronisation of one library went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LibraryState {
    /// What WeChat has is known.
    Synchronised,
    /// The app has no such library.
    NotAvailable,
    /// WeChat could not be asked; what was known stays.
    Failed,
}
