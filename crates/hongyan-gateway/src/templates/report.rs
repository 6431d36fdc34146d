//! The result of a synchronisation, for the caller of the API.

use hongyan_store::types::TemplateChange;
use hongyan_wechat::{Errcode, TemplateId};
use serde::Serialize;

use crate::schemas;

/// The result of a synchronisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SyncReport {
    /// The templates of subscribe messages.
    pub subscribe: LibraryReport,
    /// The legacy templates.
    pub legacy: LibraryReport,
    /// The templates that were added, removed or changed.
    pub changes: Vec<ChangeReport>,
}

/// A template that was added, removed or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = TemplateChange)]
pub struct ChangeReport {
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// The template's id.
    #[schema(value_type = schemas::TemplateId)]
    pub template: TemplateId,
    /// The template's title.
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
    /// Whether both libraries were read, as far as the app has them.
    pub fn is_complete(&self) -> bool {
        [&self.subscribe, &self.legacy].into_iter().all(|library| library.state != LibraryState::Failed)
    }

    /// The library that could not be read, if any.
    pub fn trouble(&self) -> Option<&LibraryReport> {
        [&self.subscribe, &self.legacy].into_iter().find(|library| library.state == LibraryState::Failed)
    }
}

/// The result of the synchronisation of a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LibraryReport {
    /// The state of the synchronisation.
    pub state: LibraryState,
    /// How many templates of the library the gateway knows now.
    pub templates: usize,
    /// WeChat's errcode, if WeChat refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub errcode: Option<Errcode>,
    /// What went wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The result of the synchronisation of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LibraryState {
    /// The gateway knows all templates of the library.
    Synchronised,
    /// The app has no such library.
    NotAvailable,
    /// WeChat could not be asked; the known templates stay.
    Failed,
}
