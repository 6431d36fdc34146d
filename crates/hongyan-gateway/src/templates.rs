//! Templates: read from both of WeChat's libraries, kept in the store, and asked for again now and then, and when a
//! message names one that is not known yet.
//!
//! | file | knows |
//! | --- | --- |
//! | `templates.rs` | the synchronisation |
//! | `templates/schedule.rs` | when it is due |
//! | `templates/gate.rs` | whose turn it is, and how the last one went |
//! | `templates/library.rs` | choosing from the public libraries, and giving back |
//! | `templates/example.rs` | a message by a template, to copy |

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use hongyan_ledger::Channel;
use hongyan_ledger::settle::{is_misconfiguration, is_token_refusal};
use hongyan_store::StoreError;
use hongyan_store::types::{TemplateChange, TemplateRecord};
use hongyan_wechat::{
    AppId, CallError, Client, Errcode, LegacyTemplate, SecretString, SubscribeTemplate, TemplateField,
    TemplateId, fields_of,
};
use serde::Serialize;

use crate::apps::{App, Apps};
use crate::problem::Problem;
use crate::problem::errcode::in_words;
use crate::shapes;
use crate::token::TokenError;

mod example;
mod gate;
mod library;
mod schedule;

use gate::Asked;
pub(crate) use gate::SyncGate;
pub use gate::SyncTrouble;
pub(crate) use library::no_such_template;
pub use library::{Found, Keyword, NewTemplate, Title, refused_as};
pub use schedule::TemplateSyncer;

/// How long after asking WeChat because of an unknown template nobody asks again: a caller with a misspelt id
/// must not spend the app's quota.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// A template with its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// As stored.
    pub record: TemplateRecord,
    /// The fields that its content names, in order.
    pub fields: Vec<TemplateField>,
}

impl Template {
    /// Sorted out by app and by id.
    pub(crate) fn by_app(records: Vec<TemplateRecord>) -> HashMap<AppId, HashMap<TemplateId, Arc<Self>>> {
        let mut all: HashMap<AppId, HashMap<TemplateId, Arc<Self>>> = HashMap::new();
        for record in records {
            let of_app = all.entry(record.appid.clone()).or_default();
            of_app.insert(record.template_id.clone(), Arc::new(Self::from(record)));
        }
        all
    }
}

impl From<TemplateRecord> for Template {
    fn from(record: TemplateRecord) -> Self {
        let fields = fields_of(&record.content);
        Self { record, fields }
    }
}

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
    #[schema(value_type = shapes::TemplateId)]
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

/// Why a call with the app's token gave nothing.
#[derive(Debug, Clone)]
enum AskError {
    /// There was no token to ask with.
    Token(TokenError),
    /// The call itself failed.
    Call(CallError),
}

impl Apps {
    /// Reads both libraries of an app. What cannot be read stays as it was; the report says why.
    ///
    /// # Errors
    /// When there is no such app, or the store fails.
    pub async fn sync_templates(&self, appid: &AppId) -> Result<SyncReport, Problem> {
        let gate = Arc::clone(&self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?.sync_gate);
        let _turn = gate.turn().await;
        self.sync_in_turn(appid).await
    }

    /// The same, for who has the turn: a list that was asked for before a template was added must not be stored after.
    async fn sync_in_turn(&self, appid: &AppId) -> Result<SyncReport, Problem> {
        let app = self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
        let wechat =
            |client: Client, token: SecretString| async move { client.subscribe_templates(&token).await };
        let subscribe = self.ask(&app, wechat).await;
        let legacy = match &subscribe {
            // Without a token there is no use in asking for one again.
            Err(AskError::Token(error)) => Err(AskError::Token(error.clone())),
            _ => {
                let wechat = |client: Client, token: SecretString| async move {
                    client.legacy_templates(&token).await
                };
                self.ask(&app, wechat).await
            }
        };
        let mut records = Vec::new();
        let subscribe = merge(&app, Channel::Subscribe, subscribe, from_subscribe, &mut records);
        let legacy = merge(&app, Channel::Legacy, legacy, from_legacy, &mut records);
        let mut report = SyncReport { subscribe, legacy, changes: Vec::new() };
        app.sync_gate.went(appid, report.trouble(), self.0.clock.now());
        let failed = |library: &LibraryReport| library.state == LibraryState::Failed;
        if failed(&report.subscribe) && failed(&report.legacy) {
            return Ok(report);
        }
        let templates = records.len();
        let changes = self.replace_templates(appid, records).await?;
        let changes = changes.ok_or_else(|| Problem::unknown_app(appid))?;
        report.changes = changes.iter().map(ChangeReport::from).collect();
        tracing::debug!(app = %appid, templates, changes = changes.len(), "templates synchronised");
        Ok(report)
    }

    /// A template of an app. One that is not known is asked for, but not in a flood.
    ///
    /// # Errors
    /// 404 `unknown_app`; 422 `unknown_template`; 409 or 503 when WeChat cannot be asked.
    pub async fn template(&self, appid: &AppId, id: &TemplateId) -> Result<Arc<Template>, Problem> {
        match self.known_template(appid, id)? {
            Some(template) => Ok(template),
            // In a box of its own: it is rare, and what asks WeChat is large.
            None => Box::pin(self.asked_for_template(appid, id)).await,
        }
    }

    fn known_template(&self, appid: &AppId, id: &TemplateId) -> Result<Option<Arc<Template>>, Problem> {
        let app = self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
        Ok(app.templates.get(id).cloned())
    }

    async fn asked_for_template(&self, appid: &AppId, id: &TemplateId) -> Result<Arc<Template>, Problem> {
        let app = self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
        let mut gate = app.sync_gate.asked().await;
        // Whoever was at the gate before may have found it.
        if let Some(template) = self.known_template(appid, id)? {
            return Ok(template);
        }
        let now = self.0.clock.now();
        let recent = |asked: &Asked| asked.at <= now && now.since(asked.at) < ASK_AGAIN_AFTER;
        if !gate.as_ref().is_some_and(recent) {
            let report = self.sync_templates(appid).await?;
            *gate = Some(Asked { at: now, trouble: self.sync_problem(appid, &report) });
        }
        if let Some(template) = self.known_template(appid, id)? {
            return Ok(template);
        }
        // Not found because nobody could look is something else than not there.
        let trouble = gate.as_ref().and_then(|asked| asked.trouble.clone());
        Err(trouble.unwrap_or_else(|| Problem::unknown_template(id, appid)))
    }

    fn sync_problem(&self, appid: &AppId, report: &SyncReport) -> Option<Problem> {
        let trouble = report.trouble()?;
        let why = trouble.detail.as_deref().unwrap_or("WeChat could not be asked");
        let detail = format!("the template is not known, and WeChat's list could not be read: {why}");
        let now = self.0.clock.now();
        let app = self.get(appid)?;
        let paused = app.record.paused.as_ref().filter(|paused| paused.until.is_none_or(|end| now < end));
        let problem = if paused.is_some() {
            Problem::conflict("app_paused", detail)
        } else {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", detail)
                .retry_after(ASK_AGAIN_AFTER.as_secs())
        };
        Some(match trouble.errcode {
            Some(errcode) => problem.errcode(errcode, ""),
            None => problem,
        })
    }

    /// The templates that the store has.
    pub(crate) async fn stored_templates(
        &self,
        appid: &AppId,
    ) -> Result<HashMap<TemplateId, Arc<Template>>, StoreError> {
        let records = self.0.store.templates(appid.clone()).await?;
        Ok(Template::by_app(records).remove(appid).unwrap_or_default())
    }

    /// One call with the app's token; if that is refused, once more with the next one.
    async fn ask<T, Fut>(&self, app: &App, call: impl Fn(Client, SecretString) -> Fut) -> Result<T, AskError>
    where
        Fut: Future<Output = Result<T, CallError>>,
    {
        let token = self.token(app).await.map_err(AskError::Token)?;
        match call(self.0.wechat.clone(), token.value.clone()).await {
            Err(CallError::Refused { errcode, .. }) if is_token_refusal(errcode) => {
                let token = self.token_after(app, token.generation).await.map_err(AskError::Token)?;
                call(self.0.wechat.clone(), token.value.clone()).await.map_err(AskError::Call)
            }
            other => other.map_err(AskError::Call),
        }
    }
}

/// Adds to `records` what is known of a library after asking: WeChat's answer, or what was known before.
fn merge<T>(
    app: &App,
    channel: Channel,
    asked: Result<Vec<T>, AskError>,
    record: impl Fn(&AppId, T) -> TemplateRecord,
    records: &mut Vec<TemplateRecord>,
) -> LibraryReport {
    let before = records.len();
    let (state, errcode, detail) = match asked {
        Ok(templates) => {
            records.extend(templates.into_iter().map(|template| record(&app.record.appid, template)));
            (LibraryState::Synchronised, None, None)
        }
        Err(AskError::Call(CallError::Refused { errcode, errmsg, .. }))
            if channel == Channel::Legacy && has_no_library(errcode) =>
        {
            (LibraryState::NotAvailable, Some(errcode), Some(errmsg))
        }
        Err(error) => {
            let kept = app.templates.values().filter(|template| template.record.channel == channel);
            records.extend(kept.map(|template| template.record.clone()));
            let (errcode, detail) = match error {
                AskError::Token(error) => (None, error.to_string()),
                AskError::Call(CallError::Refused { errcode, errmsg, .. }) => {
                    (Some(errcode), in_words(errcode, &errmsg))
                }
                AskError::Call(error @ CallError::Failed(_)) => (None, error.to_string()),
            };
            (LibraryState::Failed, errcode, Some(detail))
        }
    };
    LibraryReport { state, templates: records.len() - before, errcode, detail }
}

/// Whether a refusal of the old library's list says that the app has none: WeChat withdrew it, and answers apps
/// without it with one errcode or another. What speaks of tokens, quotas, settings or trouble says nothing.
fn has_no_library(errcode: Errcode) -> bool {
    !(is_token_refusal(errcode)
        || is_misconfiguration(errcode)
        || matches!(errcode, Errcode::SYSTEM_BUSY | Errcode::DAY_QUOTA | Errcode::MINUTE_QUOTA))
}

fn from_subscribe(appid: &AppId, template: SubscribeTemplate) -> TemplateRecord {
    let enums: BTreeMap<String, Vec<String>> = template
        .keyword_enum_value_list
        .into_iter()
        .map(|entry| {
            let field = entry.keyword_code.strip_suffix(".DATA").unwrap_or(&entry.keyword_code);
            (field.to_owned(), entry.enum_value_list)
        })
        .collect();
    TemplateRecord {
        appid: appid.clone(),
        template_id: template.pri_tmpl_id,
        channel: Channel::Subscribe,
        long_term: template.kind == SubscribeTemplate::LONG_TERM,
        title: template.title,
        content: template.content,
        example: template.example,
        enums,
    }
}

fn from_legacy(appid: &AppId, template: LegacyTemplate) -> TemplateRecord {
    TemplateRecord {
        appid: appid.clone(),
        template_id: template.template_id,
        channel: Channel::Legacy,
        long_term: false,
        title: template.title,
        content: template.content,
        example: template.example,
        enums: BTreeMap::new(),
    }
}
