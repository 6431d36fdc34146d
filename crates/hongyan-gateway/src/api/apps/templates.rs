//! `/v1/apps/{appid}/templates`: the app's own templates. `library.rs` has the public templates.

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_clock::UnixMillis;
use hongyan_ledger::Channel;
use hongyan_wechat::{FieldKind, TemplateId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::bounded::{Text, Whole};
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::apps::{SyncReport, Template};
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Json, Path, Problem};
use crate::schemas;
use crate::templates::{NewTemplate, no_such_template};

/// The templates of an app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateList)]
pub(super) struct TemplatesAnswer {
    /// By title.
    templates: Vec<TemplateJson>,
    /// When WeChat was last asked for the templates. Null: not yet.
    #[schema(value_type = Option<schemas::Time>)]
    synced_at: Option<UnixMillis>,
}

/// A template with its fields.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
pub(super) struct TemplateJson {
    #[schema(value_type = schemas::TemplateId)]
    template: TemplateId,
    #[schema(value_type = schemas::Channel)]
    channel: Channel,
    /// `legacy`: sent by a form or a payment. `once`: each acceptance allows one message. `long_term`: one acceptance
    /// allows messages until it is withdrawn.
    kind: &'static str,
    /// Subscriptions to it are long-term.
    long_term: bool,
    title: String,
    /// WeChat's layout, a line per field.
    content: String,
    fields: Vec<FieldJson>,
    /// WeChat's example: the layout filled in.
    example: String,
    /// A message by this template that passes the checks: put in the user, and post it to `/v1/messages`.
    #[schema(value_type = crate::intake::request::MessageRequest)]
    message: Value,
}

/// One field of a template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateField)]
struct FieldJson {
    name: String,
    /// What the user reads before its value.
    label: String,
    /// The kind of its value, taken from its name: `thing`, `date`, …. Absent if the kind is not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kind: Option<&'static str>,
    /// What the field may hold. Absent if its kind is not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule: Option<&'static str>,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule_zh: Option<&'static str>,
    /// The only values that the field may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    values: Option<Vec<String>>,
    /// A value that passes the checks.
    example: String,
    /// Whether text that is too long may be cut, if `truncate` is set.
    may_be_shortened: bool,
}

/// WeChat numbers keywords from 1, in 32 bits.
const MAX_KEYWORD: u32 = i32::MAX as u32;

/// The number of a keyword.
type KeywordNumber = Whole<0, MAX_KEYWORD>;

/// What a template is for.
type Scene = Text<1, 15>;

/// A template to choose from the public library.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AddTemplate)]
pub(super) struct AddTemplateRequest {
    /// The title's id, as `GET /v1/apps/{appid}/library` lists it.
    #[schema(min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9]+$", example = "250")]
    tid: String,
    /// The numbers of its keywords, in the order in which they shall stand: 2 to 5, of the old library 1 to 10.
    #[schema(inline, min_items = 1, max_items = 10, example = json!([1, 2, 3]))]
    keywords: Vec<KeywordNumber>,
    /// What it is for, in 1 to 15 characters. WeChat shows it in its console. Not for the old library.
    #[schema(inline)]
    scene: Option<Scene>,
    /// Default: `subscribe`.
    #[schema(value_type = Option<schemas::Channel>)]
    channel: Option<Channel>,
}

/// A chosen template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddedTemplate)]
pub(super) struct AddTemplateAnswer {
    #[schema(value_type = schemas::TemplateId)]
    template: TemplateId,
    /// With its fields, unless WeChat's list could not be read after it was chosen; `sync` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<TemplateJson>,
    sync: SyncReport,
}

fn template_json(template: &Template) -> TemplateJson {
    let record = &template.record;
    let fields = template.fields.iter().zip(template.sample_values()).map(|(field, (_, example))| {
        let kind = FieldKind::of(&field.name);
        let values = record.enums.get(&field.name).cloned();
        FieldJson {
            name: field.name.clone(),
            label: field.label.clone(),
            kind: kind.map(FieldKind::name),
            rule: kind.map(FieldKind::rule_en),
            rule_zh: kind.map(FieldKind::rule_zh),
            may_be_shortened: values.is_none() && kind.is_some_and(FieldKind::may_be_shortened),
            values,
            example,
        }
    });
    TemplateJson {
        template: record.template_id.clone(),
        channel: record.channel,
        kind: template.kind(),
        long_term: record.long_term,
        title: record.title.clone(),
        content: record.content.clone(),
        fields: fields.collect(),
        example: record.example.clone(),
        message: template.sample_message(),
    }
}

/// List an app's templates with the rules of their fields.
///
/// As they were when WeChat was last asked; `synced_at` says when.
#[utoipa::path(
    get,
    path = "/v1/apps/{appid}/templates",
    operation_id = "list_templates",
    tag = "apps",
    security(("api_key" = ["messages"])),
    params(("appid" = schemas::AppId, Path)),
    responses((status = 200, description = "The templates.", body = TemplatesAnswer), Refusals),
)]
pub(super) async fn templates(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<axum::Json<TemplatesAnswer>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let mut templates: Vec<_> = app.templates.values().map(|template| template_json(template)).collect();
    templates.sort_by(|a, b| (&a.title, &a.template).cmp(&(&b.title, &b.template)));
    Ok(axum::Json(TemplatesAnswer { templates, synced_at: app.record.templates_synced_at }))
}

/// Show one template with the rules of its fields, and a message to copy.
///
/// The rules are those that the gateway checks before WeChat is asked.
#[utoipa::path(
    get,
    path = "/v1/apps/{appid}/templates/{template}",
    operation_id = "show_template",
    tag = "apps",
    security(("api_key" = ["messages"])),
    params(("appid" = schemas::AppId, Path), ("template" = schemas::TemplateId, Path)),
    responses((status = 200, description = "The template.", body = TemplateJson), Refusals),
)]
pub(super) async fn show_template(
    State(context): State<Context>,
    caller: Caller,
    Path((appid, template)): Path<(String, String)>,
) -> Result<axum::Json<TemplateJson>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let id: TemplateId = parse("template", &template)?;
    let template = app.templates.get(&id).ok_or_else(|| no_such_template(&id, &app.record.appid))?;
    Ok(axum::Json(template_json(template)))
}

/// Choose a template from WeChat's public library.
///
/// The app then has it, at WeChat and here. What WeChat refuses is a problem with its errcode: `template_exists`,
/// `template_limit`, or `template_refused` with the field.
#[utoipa::path(
    post,
    path = "/v1/apps/{appid}/templates",
    operation_id = "add_template",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    request_body = AddTemplateRequest,
    responses((status = 201, description = "Chosen.", body = AddTemplateAnswer), Refusals),
)]
pub(super) async fn add_template(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
    Json(request): Json<AddTemplateRequest>,
) -> Result<(StatusCode, axum::Json<AddTemplateAnswer>), Problem> {
    let appid = caller.app_at(&context, &appid)?.record.appid.clone();
    let new = NewTemplate {
        channel: request.channel.unwrap_or(Channel::Subscribe),
        tid: request.tid,
        keywords: request.keywords.iter().map(|keyword| keyword.0).collect(),
        scene: request.scene.map(|scene| scene.0),
    };
    let (template, sync) = context.apps.add_template(&appid, new).await?;
    let app = context.apps.get(&appid);
    let details = app.and_then(|app| app.templates.get(&template).map(|template| template_json(template)));
    Ok((StatusCode::CREATED, axum::Json(AddTemplateAnswer { template, details, sync })))
}

/// Give a template back to WeChat.
///
/// It is deleted at WeChat and here. Messages by it that were not sent yet will be refused by WeChat (40037).
#[utoipa::path(
    delete,
    path = "/v1/apps/{appid}/templates/{template}",
    operation_id = "delete_template",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path), ("template" = schemas::TemplateId, Path)),
    responses((status = 204, description = "Deleted."), Refusals),
)]
pub(super) async fn delete_template(
    State(context): State<Context>,
    caller: Caller,
    Path((appid, template)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let app = caller.app_at(&context, &appid)?;
    let id: TemplateId = parse("template", &template)?;
    context.apps.delete_template(&app.record.appid, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask WeChat for an app's templates again.
///
/// Seldom needed: a message with an unknown template asks by itself, at most every 10 seconds.
#[utoipa::path(
    post,
    path = "/v1/apps/{appid}/templates/sync",
    operation_id = "sync_templates",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path)),
    responses((status = 200, description = "What was found.", body = SyncReport), Refusals),
)]
pub(super) async fn sync_templates(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
) -> Result<axum::Json<SyncReport>, Problem> {
    let app = caller.app_at(&context, &appid)?;
    Ok(axum::Json(context.apps.sync_templates(&app.record.appid).await?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hongyan_store::types::TemplateRecord;
    use serde_json::json;

    use super::*;
    use crate::api::openapi::tests::description;
    use crate::apps::{LibraryReport, LibraryState};
    use crate::problem::from_bytes;
    use crate::templates::ChangeReport;

    #[test]
    fn every_member_of_a_template_is_described() {
        let template = Template::from(TemplateRecord {
            appid: "wx0123456789abcdef".parse().unwrap(),
            template_id: "t".parse().unwrap(),
            channel: Channel::Subscribe,
            long_term: false,
            title: "取餐提醒".into(),
            content: "状态:{{enum1.DATA}}\n未知:{{hologram2.DATA}}".into(),
            example: "状态:好".into(),
            enums: BTreeMap::from([("enum1".to_owned(), vec!["好".to_owned()])]),
        });
        let library = LibraryReport {
            state: LibraryState::Failed,
            templates: 1,
            errcode: Some(hongyan_wechat::Errcode(-1)),
            detail: Some("busy".into()),
        };
        let template_id: TemplateId = "t".parse().unwrap();
        let change =
            ChangeReport { change: "added", template: template_id.clone(), title: "取餐提醒".into() };
        let sync = SyncReport { subscribe: library.clone(), legacy: library, changes: vec![change] };
        let answer =
            AddTemplateAnswer { template: template_id, details: Some(template_json(&template)), sync };
        let answer = serde_json::to_value(answer).unwrap();
        let description = description();
        description.check("AddedTemplate", &answer);
        for name in description.members("Template") {
            assert!(answer["details"].get(&name).is_some(), "{name} is described but missing in the answer");
        }
        for name in description.members("TemplateField") {
            assert!(
                answer["details"]["fields"][0].get(&name).is_some(),
                "{name} is described but missing in the answer"
            );
        }
    }

    #[test]
    fn every_member_of_a_request_is_described_and_read() {
        let request = json!({ "tid": "250", "keywords": [1, 2], "scene": "取餐", "channel": "subscribe" });
        let description = description();
        description.check("AddTemplate", &request);
        for name in description.members("AddTemplate") {
            assert!(request.get(&name).is_some(), "{name} is described but not in this request");
        }
        from_bytes::<AddTemplateRequest>(request.to_string().as_bytes()).unwrap();
    }
}
