//! The synchronisation: reads both libraries of an app and stores their templates. An unknown template causes a
//! synchronisation.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use hongyan_ledger::Channel;
use hongyan_ledger::settle::{is_misconfiguration, is_token_refusal};
use hongyan_store::StoreError;
use hongyan_store::types::TemplateRecord;
use hongyan_wechat::{
    AppId, CallError, Client, Errcode, LegacyTemplate, SecretString, SubscribeTemplate, TemplateId,
};

use super::ask::AskError;
use super::gate::Asked;
use super::report::{ChangeReport, LibraryReport, LibraryState, SyncReport};
use super::template::Template;
use crate::apps::{App, Apps};
use crate::problem::Problem;
use crate::problem::errcode::in_words;

/// How long WeChat is not asked again after it was asked because of an unknown template: a caller with a misspelt id must
/// not use up the app's quota.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

impl Apps {
    /// Reads both libraries of an app. A library that cannot be read stays unchanged; the report says why.
    ///
    /// # Errors
    /// When there is no such app, or the store fails.
    pub async fn sync_templates(&self, appid: &AppId) -> Result<SyncReport, Problem> {
        let gate = Arc::clone(&self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?.sync_gate);
        let _turn = gate.turn().await;
        self.sync_in_turn(appid).await
    }

    /// Synchronises while holding the lock: a list that was read before a template was added must not be stored after the
    /// addition.
    pub(super) async fn sync_in_turn(&self, appid: &AppId) -> Result<SyncReport, Problem> {
        let app = self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
        let asked_at = self.0.clock.now();
        let wechat =
            |client: Client, token: SecretString| async move { client.subscribe_templates(&token).await };
        let subscribe = self.ask(&app, wechat).await;
        let legacy = match &subscribe {
            // Without a token a second call would fail too.
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
        let changes = self.replace_templates(appid, records, asked_at).await?;
        let changes = changes.ok_or_else(|| Problem::unknown_app(appid))?;
        report.changes = changes.iter().map(ChangeReport::from).collect();
        tracing::debug!(app = %appid, templates, changes = changes.len(), "templates synchronised");
        Ok(report)
    }

    /// A template of an app. WeChat is asked about an unknown template, but not too often.
    ///
    /// # Errors
    /// 404 `unknown_app`; 422 `unknown_template`; 409 or 503 when WeChat cannot be asked.
    pub async fn template(&self, appid: &AppId, id: &TemplateId) -> Result<Arc<Template>, Problem> {
        match self.known_template(appid, id)? {
            Some(template) => Ok(template),
            // Boxed: this case is rare, and the future of a call to WeChat is large.
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
        // The previous holder of the lock may have found the template.
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
        // A failed synchronisation does not prove that the template is missing.
        let trouble = gate.as_ref().and_then(|asked| asked.trouble.clone());
        Err(trouble.unwrap_or_else(|| Problem::unknown_template(id, appid)))
    }

    fn sync_problem(&self, appid: &AppId, report: &SyncReport) -> Option<Problem> {
        let trouble = report.trouble()?;
        let why = trouble.detail.as_deref().unwrap_or("WeChat could not be asked");
        let detail =
            format!("the template is unknown, and WeChat's list of templates could not be read: {why}");
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

    /// The templates in the store.
    pub(crate) async fn stored_templates(
        &self,
        appid: &AppId,
    ) -> Result<HashMap<TemplateId, Arc<Template>>, StoreError> {
        let records = self.0.store.templates(appid.clone()).await?;
        Ok(Template::by_app(records).remove(appid).unwrap_or_default())
    }
}

/// Adds to `records` the templates of a library: from WeChat's answer, or as they were before.
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

/// Whether a refusal of the legacy library's list means that the app has no such library: WeChat withdrew the library, and
/// answers apps without it with different errcodes. Errcodes about tokens, quotas, settings or failures mean something else.
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
