//! `/v1/apps/{appid}/templates`.

use axum::extract::State;
use axum::http::HeaderMap;
use hongyan_clock::UnixMillis;
use hongyan_ledger::Channel;
use hongyan_wechat::TemplateId;
use serde::Serialize;
use utoipa::ToSchema;

use super::known;
use crate::api::openapi::Refusals;
use crate::apps::{SyncReport, Template};
use crate::keys::Scope;
use crate::problem::{Path, Problem};
use crate::service::Context;
use crate::shapes;

/// The templates of an app.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplatesAnswer {
    /// By title.
    templates: Vec<TemplateJson>,
    /// When WeChat was last asked. Null: not yet.
    #[schema(value_type = Option<shapes::Time>)]
    synced_at: Option<UnixMillis>,
}

/// A template with its fields.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
struct TemplateJson {
    #[schema(value_type = shapes::TemplateId)]
    template: TemplateId,
    #[schema(value_type = shapes::Channel)]
    channel: Channel,
    /// Subscriptions to it are long-term.
    long_term: bool,
    title: String,
    fields: Vec<FieldJson>,
    example: String,
}

/// One field of a template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateField)]
struct FieldJson {
    name: String,
    label: String,
    /// What it may hold, if its name says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule: Option<&'static str>,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule_zh: Option<&'static str>,
    /// The only values that it may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    values: Option<Vec<String>>,
}

fn template_json(template: &Template) -> TemplateJson {
    let record = &template.record;
    let fields = template.fields.iter().map(|field| {
        let kind = hongyan_wechat::FieldKind::of(&field.name);
        FieldJson {
            name: field.name.clone(),
            label: field.label.clone(),
            rule: kind.map(hongyan_wechat::FieldKind::rule_en),
            rule_zh: kind.map(hongyan_wechat::FieldKind::rule_zh),
            values: record.enums.get(&field.name).cloned(),
        }
    });
    TemplateJson {
        template: record.template_id.clone(),
        channel: record.channel,
        long_term: record.long_term,
        title: record.title.clone(),
        fields: fields.collect(),
        example: record.example.clone(),
    }
}

/// List an app's templates with the rules of their fields.
#[utoipa::path(
    get,
    path = "/v1/apps/{appid}/templates",
    operation_id = "list_templates",
    tag = "apps",
    security(("api_key" = ["messages"])),
    params(("appid" = shapes::AppId, Path)),
    responses((status = 200, description = "The templates.", body = TemplatesAnswer), Refusals),
)]
pub(super) async fn templates(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
) -> Result<axum::Json<TemplatesAnswer>, Problem> {
    context.keys.authorize(&headers, Scope::Messages).await?;
    let app = known(&context, &appid)?;
    let mut templates: Vec<_> = app.templates.values().map(|template| template_json(template)).collect();
    templates.sort_by(|a, b| (&a.title, &a.template).cmp(&(&b.title, &b.template)));
    Ok(axum::Json(TemplatesAnswer { templates, synced_at: app.record.templates_synced_at }))
}

/// Ask WeChat for an app's templates again.
#[utoipa::path(
    post,
    path = "/v1/apps/{appid}/templates/sync",
    operation_id = "sync_templates",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = shapes::AppId, Path)),
    responses((status = 200, description = "What was found.", body = SyncReport), Refusals),
)]
pub(super) async fn sync_templates(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(appid): Path<String>,
) -> Result<axum::Json<SyncReport>, Problem> {
    context.keys.authorize(&headers, Scope::Apps).await?;
    let app = known(&context, &appid)?;
    Ok(axum::Json(context.apps.sync_templates(&app.record.appid).await?))
}
