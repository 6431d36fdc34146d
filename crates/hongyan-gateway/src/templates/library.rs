//! The public libraries: searching, adding a template, deleting a template.

use axum::http::StatusCode;
use hongyan_ledger::Channel;
use hongyan_ledger::settle::is_misconfiguration;
use hongyan_wechat::templates::{AddTemplateRequest, Category, LegacyAddRequest, SubscribeTemplate};
use hongyan_wechat::{AppId, CallError, Client, Errcode, FieldKind, SecretString, TemplateId};
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::AskError;
use super::report::SyncReport;
use crate::apps::{App, Apps};
use crate::problem::Problem;
use crate::problem::errcode::in_words;
use crate::task::uncancelled;
use crate::token::TokenError;

/// A title of a public library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LibraryTitle)]
pub struct Title {
    /// The `tid` to add a template with.
    pub tid: String,
    /// The title.
    pub title: String,
    /// `legacy`, `once` or `long_term`.
    pub kind: &'static str,
    /// The category of the title; absent in the legacy library.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category: Option<String>,
}

/// A keyword of a title: a field that a template may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LibraryKeyword)]
pub struct Keyword {
    /// The number of the keyword, to add a template with.
    pub keyword: u32,
    /// The name of the field.
    pub name: String,
    /// A sample value.
    pub example: String,
    /// The kind of the field: `thing`, `date`, ….
    pub kind: String,
    /// The rule for values of the field, if its kind is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rule: Option<&'static str>,
    /// The rule in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rule_zh: Option<&'static str>,
}

/// A page of titles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The app's categories; empty for the legacy library, which has no categories.
    pub categories: Vec<Category>,
    /// The titles of this page.
    pub titles: Vec<Title>,
    /// The total number of titles.
    pub total: u64,
}

/// A template to add.
#[derive(Debug, Clone)]
pub struct NewTemplate {
    /// The channel of the library.
    pub channel: Channel,
    /// The tid of the title.
    pub tid: String,
    /// The numbers of its keywords, in the order in which they are to appear.
    pub keywords: Vec<u32>,
    /// What the template is for. Only for subscribe messages.
    pub scene: Option<String>,
}

/// The longest description of an occasion, in characters. Source: WeChat's page of the call.
const MAX_SCENE_CHARS: usize = 15;

impl NewTemplate {
    fn check(&self) -> Result<(), Problem> {
        check_tid(&self.tid)?;
        let keywords = match self.channel {
            Channel::Subscribe => 2..=5,
            Channel::Legacy => 1..=10,
        };
        let repeated = self.keywords.iter().enumerate().any(|(at, one)| self.keywords[..at].contains(one));
        if !keywords.contains(&self.keywords.len()) || repeated {
            let (least, most) = (keywords.start(), keywords.end());
            return Err(Problem::invalid("keywords", format!("{least} to {most} different keywords")));
        }
        let scene = self.scene.as_deref().map(|scene| scene.chars().count());
        match (self.channel, scene) {
            (Channel::Subscribe, Some(1..=MAX_SCENE_CHARS)) | (Channel::Legacy, None) => Ok(()),
            (Channel::Subscribe, _) => {
                let detail = format!("say in 1 to {MAX_SCENE_CHARS} characters what the template is for");
                Err(Problem::invalid("scene", detail))
            }
            (Channel::Legacy, Some(_)) => Err(Problem::invalid("scene", "legacy templates have no scene")),
        }
    }
}

fn check_tid(tid: &str) -> Result<(), Problem> {
    let good = (1..=32).contains(&tid.len()) && tid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good { Ok(()) } else { Err(Problem::invalid("tid", "a tid has 1 to 32 letters and digits")) }
}

impl Apps {
    /// Adds a template from a public library, and synchronises the list, because only the list contains the fields. A failed
    /// synchronisation does not undo the addition; the report contains the failure.
    ///
    /// # Errors
    /// When a value is invalid, or WeChat refuses ([`refused_as`]).
    pub async fn add_template(
        &self,
        appid: &AppId,
        new: NewTemplate,
    ) -> Result<(TemplateId, SyncReport), Problem> {
        new.check()?;
        let app = self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
        let (apps, appid) = (self.clone(), appid.clone());
        // Runs to its end even if the caller hangs up: the gateway must know each template that WeChat has.
        uncancelled(async move {
            let gate = app.sync_gate.clone();
            let _turn = gate.turn().await;
            let id = apps.take(&app, new).await.map_err(problem)?;
            tracing::info!(app = %appid, template = %id, "template taken from the public library");
            let report = apps.sync_in_turn(&appid).await?;
            Ok((id, report))
        })
        .await
    }

    async fn take(&self, app: &App, new: NewTemplate) -> Result<TemplateId, AskError> {
        match new.channel {
            Channel::Subscribe => {
                let request = AddTemplateRequest {
                    tid: new.tid,
                    kid_list: new.keywords,
                    scene_desc: new.scene.unwrap_or_default(),
                };
                self.ask(app, |client: Client, token: SecretString| {
                    let request = request.clone();
                    async move { client.add_subscribe_template(&token, &request).await }
                })
                .await
            }
            Channel::Legacy => {
                let request = LegacyAddRequest { id: new.tid, keyword_id_list: new.keywords };
                self.ask(app, |client: Client, token: SecretString| {
                    let request = request.clone();
                    async move { client.add_legacy_template(&token, &request).await }
                })
                .await
            }
        }
    }

    /// Deletes a template at WeChat and in the store. A template that WeChat does not have any more is deleted in the store.
    ///
    /// # Errors
    /// When the template is unknown here, or WeChat refuses.
    pub async fn delete_template(&self, appid: &AppId, id: &TemplateId) -> Result<(), Problem> {
        let app = self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
        let (apps, appid, id) = (self.clone(), appid.clone(), id.clone());
        uncancelled(async move {
            let gate = app.sync_gate.clone();
            let _turn = gate.turn().await;
            // Read the app again after the wait for the lock.
            let app = apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
            let template = app.templates.get(&id).ok_or_else(|| no_such_template(&id, &appid))?;
            let asked_at = apps.0.clock.now();
            match apps.give_back(&app, template.record.channel, &id).await {
                Ok(()) => {}
                Err(AskError::Call(CallError::Refused { errcode, .. })) if is_gone(errcode) => {}
                Err(error) => return Err(problem(error)),
            }
            let rest = app.templates.values().filter(|other| other.record.template_id != id);
            let rest = rest.map(|other| other.record.clone()).collect();
            apps.replace_templates(&appid, rest, asked_at).await?;
            Ok(())
        })
        .await
    }

    async fn give_back(&self, app: &App, channel: Channel, id: &TemplateId) -> Result<(), AskError> {
        self.ask(app, |client: Client, token: SecretString| {
            let id = id.clone();
            async move {
                match channel {
                    Channel::Subscribe => client.delete_subscribe_template(&token, &id).await,
                    Channel::Legacy => client.delete_legacy_template(&token, &id).await,
                }
            }
        })
        .await
    }

    /// A page of the titles of a public library, for these categories (numbers joined with commas) or for all categories of
    /// the app. The legacy library has no categories.
    ///
    /// # Errors
    /// When WeChat refuses or does not answer.
    pub async fn public_titles(
        &self,
        appid: &AppId,
        channel: Channel,
        categories: Option<&str>,
        start: u32,
        limit: u32,
    ) -> Result<Found, Problem> {
        let app = self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
        if channel == Channel::Legacy {
            let call = |client: Client, token: SecretString| async move {
                client.legacy_titles(&token, start, limit).await
            };
            let page = self.ask(&app, call).await.map_err(problem)?;
            let title = |title: hongyan_wechat::templates::LegacyTitle| Title {
                tid: title.id,
                title: title.title,
                kind: "legacy",
                category: None,
            };
            let titles = page.list.into_iter().map(title).collect();
            return Ok(Found { categories: Vec::new(), titles, total: page.total_count });
        }
        let call = |client: Client, token: SecretString| async move { client.categories(&token).await };
        let own = self.ask(&app, call).await.map_err(problem)?;
        let all = || own.iter().map(|category| category.id.to_string()).collect::<Vec<_>>().join(",");
        let ids = categories.map_or_else(all, str::to_owned);
        if ids.is_empty() {
            return Ok(Found { categories: own, titles: Vec::new(), total: 0 });
        }
        let call = |client: Client, token: SecretString| {
            let ids = ids.clone();
            async move { client.public_titles(&token, &ids, start, limit).await }
        };
        let page = self.ask(&app, call).await.map_err(problem)?;
        let title = |title: hongyan_wechat::templates::PublicTitle| Title {
            tid: title.tid.to_string(),
            title: title.title,
            kind: if title.kind == SubscribeTemplate::LONG_TERM { "long_term" } else { "once" },
            category: Some(title.category_id).filter(|id| !id.is_empty()),
        };
        Ok(Found { categories: own, titles: page.data.into_iter().map(title).collect(), total: page.count })
    }

    /// The keywords of a public title.
    ///
    /// # Errors
    /// When WeChat refuses or does not answer.
    pub async fn public_keywords(
        &self,
        appid: &AppId,
        channel: Channel,
        tid: &str,
    ) -> Result<Vec<Keyword>, Problem> {
        check_tid(tid)?;
        let app = self.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
        let keyword = |number: u32, name: String, example: String, kind: String| {
            let known = FieldKind::of(&format!("{kind}1"));
            let (rule, rule_zh) = (known.map(FieldKind::rule_en), known.map(FieldKind::rule_zh));
            Keyword { keyword: number, name, example, kind, rule, rule_zh }
        };
        if channel == Channel::Legacy {
            let call = |client: Client, token: SecretString| async move {
                client.legacy_keywords(&token, tid).await
            };
            let title = self.ask(&app, call).await.map_err(problem)?;
            let keywords = title.keyword_list.into_iter();
            return Ok(keywords
                .map(|k| keyword(k.keyword_id, k.name, k.example, "keyword".into()))
                .collect());
        }
        let call =
            |client: Client, token: SecretString| async move { client.public_keywords(&token, tid).await };
        let keywords = self.ask(&app, call).await.map_err(problem)?;
        Ok(keywords.into_iter().map(|k| keyword(k.kid, k.name, k.example, k.rule)).collect())
    }
}

/// 404: the gateway does not know the template.
pub(crate) fn no_such_template(id: &TemplateId, appid: &AppId) -> Problem {
    let detail = format!(
        "the gateway knows no template {id} of the app {appid}; POST /v1/apps/{appid}/templates/sync asks WeChat again"
    );
    Problem::not_found(detail)
}

/// Whether WeChat refused to delete a template because there is no such template.
fn is_gone(errcode: Errcode) -> bool {
    matches!(errcode, Errcode::INVALID_TEMPLATE | Errcode::INVALID_TID)
}

/// The answer to a caller when WeChat refuses a call of the libraries: status, code, and the wrong field.
pub fn refused_as(errcode: Errcode) -> (StatusCode, &'static str, Option<&'static str>) {
    let refused = |field| (StatusCode::UNPROCESSABLE_ENTITY, "template_refused", field);
    match errcode {
        Errcode::TEMPLATE_EXISTS => (StatusCode::CONFLICT, "template_exists", None),
        Errcode::PRIVATE_TEMPLATE_LIMIT | Errcode::TEMPLATE_LIMIT => {
            (StatusCode::CONFLICT, "template_limit", None)
        }
        Errcode::INVALID_TID | Errcode::LIBRARY_TEMPLATE_BANNED | Errcode::INVALID_TEMPLATE => {
            refused(Some("tid"))
        }
        Errcode::INVALID_KID_LIST => refused(Some("keywords")),
        Errcode::INVALID_SCENE => refused(Some("scene")),
        Errcode::INVALID_START => refused(Some("start")),
        Errcode::INVALID_LIMIT => refused(Some("limit")),
        Errcode::CATEGORY_IDS_MISSING | Errcode::INVALID_CATEGORY_IDS => refused(Some("category")),
        Errcode::TEMPLATE_ACCOUNT_BANNED
        | Errcode::WRONG_ACCOUNT_TYPE
        | Errcode::TEMPLATE_BAD_ARGUMENT
        | Errcode::TEMPLATE_PARAMETER
        | Errcode::INVALID_ARGUMENT
        | Errcode::API_UNAUTHORIZED => refused(None),
        Errcode::SYSTEM_BUSY | Errcode::TEMPLATE_SYSTEM_ERROR | Errcode::TEMPLATE_SERVICE_DOWN => {
            (StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", None)
        }
        Errcode::DAY_QUOTA | Errcode::MINUTE_QUOTA => (StatusCode::TOO_MANY_REQUESTS, "wechat_busy", None),
        errcode if is_misconfiguration(errcode) => (StatusCode::CONFLICT, "app_paused", None),
        _ => (StatusCode::BAD_GATEWAY, "wechat_refused", None),
    }
}

/// The answer to a caller when a call failed.
fn problem(error: AskError) -> Problem {
    let (errcode, errmsg) = match error {
        AskError::Token(TokenError::Paused { detail }) => return Problem::conflict("app_paused", detail),
        AskError::Token(TokenError::Unavailable(detail)) => return unavailable(detail),
        AskError::Call(CallError::Failed(failure)) => {
            return unavailable(format!(
                "{failure}; if the call was to change something, POST …/templates/sync finds out whether it did"
            ));
        }
        AskError::Token(TokenError::Refused { errcode, errmsg })
        | AskError::Call(CallError::Refused { errcode, errmsg, .. }) => (errcode, errmsg),
    };
    let (status, code, field) = refused_as(errcode);
    let problem = Problem::new(status, code, in_words(errcode, &errmsg)).errcode(errcode, &errmsg);
    let problem = match field {
        Some(field) => problem.field(field),
        None => problem,
    };
    match (code, errcode) {
        ("wechat_unavailable", _) => problem.retry_after(1),
        ("wechat_busy", Errcode::MINUTE_QUOTA) => problem.retry_after(60),
        _ => problem,
    }
}

fn unavailable(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", detail).retry_after(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::CODES;

    #[test]
    fn a_template_is_checked_before_wechat_is_asked() {
        let new = |tid: &str, keywords: &[u32], scene: Option<&str>| NewTemplate {
            channel: Channel::Subscribe,
            tid: tid.into(),
            keywords: keywords.into(),
            scene: scene.map(str::to_owned),
        };
        let field = |new: NewTemplate| new.check().err().and_then(|problem| problem.field.clone());
        assert_eq!(field(new("250", &[2, 1], Some(&"景".repeat(15)))), None);
        for keywords in [&[1][..], &[1, 2, 3, 4, 5, 6], &[1, 1]] {
            assert_eq!(
                field(new("250", keywords, Some("取餐"))).as_deref(),
                Some("keywords"),
                "{keywords:?}"
            );
        }
        for scene in [None, Some(""), Some("取餐提醒取餐提醒取餐提醒取餐提醒")] {
            assert_eq!(field(new("250", &[1, 2], scene)).as_deref(), Some("scene"), "{scene:?}");
        }
        assert_eq!(field(new("2 50", &[1, 2], Some("取餐"))).as_deref(), Some("tid"));
        let legacy =
            |scene: Option<&str>| NewTemplate { channel: Channel::Legacy, ..new("AT0002", &[1], scene) };
        assert_eq!(field(legacy(None)), None);
        assert_eq!(field(legacy(Some("取餐"))).as_deref(), Some("scene"));
    }

    #[test]
    fn every_refusal_has_a_code_that_is_listed() {
        for info in hongyan_wechat::all_errcodes() {
            let (_, code, _) = refused_as(info.errcode);
            assert!(CODES.iter().any(|known| known.code == code), "{code}");
        }
        assert_eq!(refused_as(Errcode::TEMPLATE_EXISTS).0, StatusCode::CONFLICT);
    }
}
