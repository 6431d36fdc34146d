//! The request for a message, and every rule that it must keep.

use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::{Channel, Lane, OnUnknown, PermitPolicy};
use hongyan_store::types::{NewMessage, Origin};
use hongyan_wechat::{AppId, Fields, Lang, MiniprogramState, OpenId, SubscribeMessage, TemplateId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, TemplateBody};
use super::checks;
pub use super::checks::MAX_REFERENCE_CHARS;
use super::faults::{Fault, Faults};
use super::warnings::Warning;
use crate::apps::{App, Apps};
use crate::problem::Problem;
use crate::schemas;

/// A message that is scheduled further ahead than this will probably find its permit expired.
const FAR_AHEAD: Duration = Duration::from_secs(30 * 24 * 3600);

/// When a scheduled message chooses its permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReserveWhen)]
pub enum Reserve {
    /// The permit is chosen when the message is sent.
    #[default]
    AtSend,
    /// The permit is chosen now and kept for the message.
    Now,
}

/// A message to send.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageRequest {
    /// The app.
    #[schema(value_type = schemas::AppId)]
    pub app: String,
    /// The user.
    #[schema(value_type = schemas::OpenId)]
    pub to: String,
    /// The template.
    #[schema(value_type = schemas::TemplateId)]
    pub template: String,
    /// The fields: `{"thing1":"text"}` or `{"keyword1":{"value":"text","color":"#173177"}}`.
    #[schema(value_type = schemas::MessageFieldsInput)]
    pub data: Fields,
    /// The page that a tap opens, with its query: `pages/index/index?id=1`.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = r"^(?!/)(?!.*://)[^\s\x00-\x1f\x7f-\x9f]+$",
        example = "pages/index/index?id=1"
    )]
    pub page: Option<String>,
    /// Template messages only: the field that is shown large, like `keyword1.DATA`.
    #[schema(max_length = 64, example = "keyword1.DATA")]
    pub emphasis_keyword: Option<String>,
    /// Subscribe messages only: the language of the card's frame.
    #[schema(value_type = Option<schemas::Lang>)]
    pub lang: Option<Lang>,
    /// Subscribe messages only: the version of the mini program that a tap opens.
    #[schema(value_type = Option<schemas::MiniprogramState>)]
    pub miniprogram_state: Option<MiniprogramState>,
    /// When to send the message (RFC 3339). In the past or absent: now.
    #[schema(value_type = Option<schemas::Time>)]
    pub send_at: Option<UnixMillis>,
    /// The message must not be sent after this time (RFC 3339).
    #[schema(value_type = Option<schemas::Time>)]
    pub deadline: Option<UnixMillis>,
    /// What to do if the ledger has no permit for the message.
    #[serde(default)]
    #[schema(value_type = schemas::PermitPolicy)]
    pub permit: PermitPolicy,
    /// What to do when WeChat's answer is lost. Default: the app's setting.
    #[schema(value_type = Option<schemas::OnUnknown>)]
    pub on_unknown: Option<OnUnknown>,
    /// When a scheduled message chooses its permit.
    #[serde(default)]
    pub reserve: Reserve,
    /// The caller's own id for the message, 1 to 128 characters. `GET /v1/messages` can filter by it.
    #[schema(min_length = 1, max_length = 128, example = "order-1024")]
    pub reference: Option<String>,
    /// What the message is about. The message replaces an older message with the same key to the same user if that is still
    /// scheduled, ready or waiting; the older message becomes `cancelled` (`replaced`).
    #[schema(min_length = 1, max_length = 128, example = "order-1024")]
    pub collapse_key: Option<String>,
    /// This message's own key, instead of the request's `Idempotency-Key`. The same message with the same key is sent once,
    /// even if it is repeated in another batch or at another place.
    #[schema(min_length = 1, max_length = 255, pattern = "^[ -~]+$", example = "order-1024-shipped")]
    pub idempotency_key: Option<String>,
    /// Cut a text that is too long for its field (`thing…`, `keyword…`) and end it with an ellipsis, instead of refusing it.
    /// Default: the app's setting.
    pub truncate: Option<bool>,
}

/// A message that keeps every rule, with warnings for its caller.
#[derive(Debug)]
pub struct Checked {
    /// The message to accept.
    pub message: NewMessage,
    /// `send_at` as the caller wrote it. In the message, a time in the past is replaced by now.
    pub asked_send_at: Option<UnixMillis>,
    /// The message's own idempotency key.
    pub idempotency_key: Option<String>,
    /// Things that are allowed but may surprise.
    pub warnings: Vec<Warning>,
}

impl MessageRequest {
    /// Checks everything that can be checked without WeChat. `has_key`: the message has an idempotency key, so the request may
    /// repeat a request that was accepted long ago.
    ///
    /// # Errors
    /// A problem that names every broken rule; or `unknown_app` or `unknown_template` alone.
    pub async fn check(
        self,
        apps: &Apps,
        ids: &IdMaker,
        now: UnixMillis,
        has_key: bool,
    ) -> Result<Checked, Problem> {
        let mut faults = Faults::default();
        let appid: Option<AppId> = faults.parse("app", &self.app);
        let openid: Option<OpenId> = faults.parse("to", &self.to);
        let template_id: Option<TemplateId> = faults.parse("template", &self.template);
        let (Some(appid), Some(openid), Some(template_id)) = (appid, openid, template_id) else {
            faults.into_result()?;
            return Err(Problem::internal());
        };
        let app = apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
        let template = apps.template(&appid, &template_id).await?;
        checks::page(self.page.as_deref(), &mut faults);
        checks::length("reference", self.reference.as_deref(), &mut faults);
        checks::length("collapse_key", self.collapse_key.as_deref(), &mut faults);
        checks::idempotency_key("idempotency_key", self.idempotency_key.as_deref(), &mut faults);
        self.check_times(now, has_key || self.idempotency_key.is_some(), &mut faults);
        let mut warnings = self.warnings(now);
        let truncate = self.truncate.unwrap_or(app.record.settings.truncate);
        let data = checks::data(&template, self.data, truncate, &mut faults, &mut warnings);
        let channel = template.record.channel;
        let body = match channel {
            Channel::Legacy => {
                checks::absent(
                    "lang",
                    self.lang.is_some(),
                    "only subscribe messages have a language",
                    "只有订阅消息可以指定语言",
                    &mut faults,
                );
                checks::absent(
                    "miniprogram_state",
                    self.miniprogram_state.is_some(),
                    "only subscribe messages have a version of the mini program",
                    "只有订阅消息可以指定小程序版本",
                    &mut faults,
                );
                checks::emphasis(&template, self.emphasis_keyword.as_deref(), &mut faults);
                faults.into_result()?;
                body::template(&TemplateBody {
                    touser: openid.clone(),
                    template_id: template_id.clone(),
                    page: self.page,
                    data,
                    color: None,
                    emphasis_keyword: self.emphasis_keyword,
                })
            }
            Channel::Subscribe => {
                checks::absent(
                    "emphasis_keyword",
                    self.emphasis_keyword.is_some(),
                    "only template messages have an emphasised field",
                    "只有模板消息可以放大字段",
                    &mut faults,
                );
                faults.into_result()?;
                body::subscribe(&SubscribeMessage {
                    touser: openid.clone(),
                    template_id: template_id.clone(),
                    page: self.page,
                    data,
                    miniprogram_state: self.miniprogram_state,
                    lang: self.lang,
                })
            }
        };
        checks::size(body.len())?;
        let lane = Lane::of(&appid, &openid);
        let message = NewMessage {
            id: ids.message(lane, now),
            appid,
            openid,
            template: template_id,
            channel,
            body,
            send_at: self.send_at.map_or(now, |at| at.max(now)),
            deadline: self.deadline,
            policy: self.permit,
            on_unknown: self.on_unknown.unwrap_or(default_on_unknown(&app)),
            reserve_now: self.reserve == Reserve::Now,
            reference: self.reference,
            collapse_key: self.collapse_key,
            idempotency: None,
            own_permit: None,
            accepted_at: now,
            accepted_by: None,
            origin: Origin::default(),
            start: None,
        };
        Ok(Checked { message, asked_send_at: self.send_at, idempotency_key: self.idempotency_key, warnings })
    }

    fn check_times(&self, now: UnixMillis, has_key: bool, faults: &mut Faults) {
        let Some(deadline) = self.deadline else { return };
        let mut broken =
            |rule, rule_zh| faults.push(Fault::new("deadline", Some(&deadline.to_string()), rule, rule_zh));
        // A repeat must be answered with its message even after the deadline. A message that is not a repeat expires.
        if deadline <= now && !has_key {
            broken("the deadline has passed already", "截止时间已过");
        } else if self.send_at.is_some_and(|at| at >= deadline) {
            broken("the deadline is not after send_at", "截止时间不在 send_at 之后");
        }
    }

    fn warnings(&self, now: UnixMillis) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Some(at) = self.send_at
            && at.since(now) > FAR_AHEAD
        {
            warnings.push(Warning::new(
                "permit_may_expire",
                "send_at is more than 30 days ahead; form ids and prepay ids are void after 7 days, so there may be \
                 no permit left by then",
                "send_at 在 30 天以后；form_id 和 prepay_id 七天后失效，届时可能已没有下发额度",
            ));
        }
        warnings
    }
}

fn default_on_unknown(app: &Arc<App>) -> OnUnknown {
    app.record.settings.on_unknown
}

/// Parses an identifier in a field of a request.
///
/// # Errors
/// A problem that names the field.
pub fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| Problem::invalid(field, error.to_string()))
}

/// Checks an idempotency key in `field`.
///
/// # Errors
/// A problem that names the field.
pub fn check_idempotency_key(field: &str, key: Option<&str>) -> Result<(), Problem> {
    let mut faults = Faults::default();
    checks::idempotency_key(field, key, &mut faults);
    faults.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_of_a_request_is_named() {
        let error = serde_json::from_str::<MessageRequest>(
            r#"{"app":"a","to":"b","template":"c","data":{},"sendat":"x"}"#,
        )
        .unwrap_err();
        assert!(error.to_string().contains("`sendat`"), "{error}");
    }
}
