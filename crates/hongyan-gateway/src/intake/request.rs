//! How a message is asked for, and every rule that it must keep.

use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::{Channel, Lane, OnUnknown, PermitPolicy};
use hongyan_store::types::NewMessage;
use hongyan_wechat::{
    AppId, Fields, Lang, MiniprogramState, OpenId, SubscribeMessage, TemplateId, check_field,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, TemplateBody};
use crate::apps::{App, Apps, Template};
use crate::problem::Problem;
use crate::shapes;

/// The longest page, with its query. WeChat names no limit; its own share cards stop at 1,024 bytes.
const MAX_PAGE_LENGTH: usize = 1_024;

/// The longest reference and the longest collapse key.
const MAX_REFERENCE_LENGTH: usize = 128;

/// The longest idempotency key.
const MAX_KEY_LENGTH: usize = 255;

/// Beyond this a scheduled message is likely to find its permit expired.
const FAR_AHEAD: Duration = Duration::from_secs(30 * 24 * 3600);

/// When a scheduled message keeps its permit from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reserve {
    /// A permit is chosen when it is sent.
    #[default]
    AtSend,
    /// A permit is chosen and kept now.
    Now,
}

/// One message, as a caller asks for it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageRequest {
    /// The app.
    #[schema(value_type = shapes::AppId)]
    pub app: String,
    /// The user.
    #[schema(value_type = shapes::OpenId)]
    pub to: String,
    /// The template.
    #[schema(value_type = shapes::TemplateId)]
    pub template: String,
    /// The fields: `{"thing1":"text"}` or `{"keyword1":{"value":"text","color":"#173177"}}`.
    #[schema(value_type = shapes::GivenFields)]
    pub data: Fields,
    /// The page that a tap opens, with its query: `pages/index/index?id=1`.
    #[schema(max_length = 1024, example = "pages/index/index?id=1")]
    pub page: Option<String>,
    /// Template messages only: the field that is shown large, as `keyword1.DATA`.
    #[schema(example = "keyword1.DATA")]
    pub emphasis_keyword: Option<String>,
    /// Subscribe messages only: the language of the card's frame.
    #[schema(value_type = Option<shapes::Lang>)]
    pub lang: Option<Lang>,
    /// Subscribe messages only: the version of the mini program that a tap opens.
    #[schema(value_type = Option<shapes::MiniprogramState>)]
    pub miniprogram_state: Option<MiniprogramState>,
    /// When to send it (RFC 3339). In the past or absent: now.
    #[schema(value_type = Option<shapes::Time>)]
    pub send_at: Option<UnixMillis>,
    /// After this it must not be sent any more (RFC 3339).
    #[schema(value_type = Option<shapes::Time>)]
    pub deadline: Option<UnixMillis>,
    /// What to do without a permit.
    #[serde(default)]
    #[schema(value_type = shapes::PermitPolicy)]
    pub permit: PermitPolicy,
    /// What to do when WeChat's answer is lost. Absent: as the app is set.
    #[schema(value_type = Option<shapes::OnUnknown>)]
    pub on_unknown: Option<OnUnknown>,
    /// When a scheduled message chooses its permit.
    #[serde(default)]
    pub reserve: Reserve,
    /// The caller's own id; messages can be searched by it.
    #[schema(min_length = 1, max_length = 128, example = "order-1024")]
    pub reference: Option<String>,
    /// What the message is about. It replaces an older one with the same key to the same user that is scheduled, ready or
    /// waiting: that becomes `cancelled` (`replaced`).
    #[schema(min_length = 1, max_length = 128, example = "order-1024")]
    pub collapse_key: Option<String>,
    /// A key of this message's own, in place of the request's `Idempotency-Key`: the same message under the same key
    /// is one message, in whatever batch and at whatever place it comes again.
    #[schema(min_length = 1, max_length = 255, example = "order-1024-shipped")]
    pub idempotency_key: Option<String>,
}

/// A message that keeps every rule, and what its caller should know besides.
#[derive(Debug)]
pub struct Checked {
    /// To be accepted.
    pub message: NewMessage,
    /// When its caller wants it sent; the message itself says "now" for what lies in the past.
    pub asked_send_at: Option<UnixMillis>,
    /// Its own idempotency key.
    pub idempotency_key: Option<String>,
    /// Things that are allowed but may surprise.
    pub warnings: Vec<Warning>,
}

/// Something that is allowed but may surprise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// Stable.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

impl MessageRequest {
    /// Checks everything that can be checked before WeChat is asked. `has_key`: it came with an idempotency key, so
    /// it may be the repeat of a request that was accepted long ago.
    ///
    /// # Errors
    /// The first rule that is broken, named.
    pub async fn check(
        self,
        apps: &Apps,
        ids: &IdMaker,
        now: UnixMillis,
        has_key: bool,
    ) -> Result<Checked, Problem> {
        let appid: AppId = parse("app", &self.app)?;
        let openid: OpenId = parse("to", &self.to)?;
        let template_id: TemplateId = parse("template", &self.template)?;
        let app = apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
        let template = apps.template(&appid, &template_id).await?;
        check_page(self.page.as_deref())?;
        check_length("reference", self.reference.as_deref())?;
        check_length("collapse_key", self.collapse_key.as_deref())?;
        check_idempotency_key("idempotency_key", self.idempotency_key.as_deref())?;
        self.check_times(now, has_key || self.idempotency_key.is_some())?;
        let warnings = self.warnings(now);
        let data = check_data(&template, self.data)?;
        let channel = template.record.channel;
        let body = match channel {
            Channel::Legacy => {
                refuse("lang", self.lang.is_some(), "only subscribe messages have a language")?;
                refuse(
                    "miniprogram_state",
                    self.miniprogram_state.is_some(),
                    "only subscribe messages choose a version of the mini program",
                )?;
                check_emphasis(&template, self.emphasis_keyword.as_deref())?;
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
                refuse(
                    "emphasis_keyword",
                    self.emphasis_keyword.is_some(),
                    "only template messages have an emphasised field",
                )?;
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
            start: None,
        };
        Ok(Checked { message, asked_send_at: self.send_at, idempotency_key: self.idempotency_key, warnings })
    }

    fn check_times(&self, now: UnixMillis, has_key: bool) -> Result<(), Problem> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        // A repeat must be answered with its message, also after the deadline. What turns out to be none expires.
        if deadline <= now && !has_key {
            return Err(Problem::invalid("deadline", "the deadline has passed already"));
        }
        if self.send_at.is_some_and(|at| at >= deadline) {
            return Err(Problem::invalid("deadline", "the deadline is not after send_at"));
        }
        Ok(())
    }

    fn warnings(&self, now: UnixMillis) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Some(at) = self.send_at
            && at.since(now) > FAR_AHEAD
        {
            warnings.push(Warning {
                code: "permit_may_expire",
                detail:
                    "send_at is more than 30 days ahead; form ids and prepay ids are void after 7 days, so \
                         there may be no permit left by then"
                        .into(),
            });
        }
        warnings
    }
}

fn default_on_unknown(app: &Arc<App>) -> OnUnknown {
    app.record.on_unknown
}

/// Reads an identifier out of a request's field.
///
/// # Errors
/// A problem that names the field.
pub fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| Problem::invalid(field, error.to_string()))
}

fn refuse(field: &str, present: bool, why: &str) -> Result<(), Problem> {
    if present { Err(Problem::invalid(field, why)) } else { Ok(()) }
}

fn check_page(page: Option<&str>) -> Result<(), Problem> {
    let Some(page) = page else { return Ok(()) };
    let problem = |why: &str| Err(Problem::invalid("page", why));
    if page.is_empty() || page.len() > MAX_PAGE_LENGTH {
        return problem("a page has 1 to 1024 bytes; leave it out for a card that opens nothing");
    }
    if page.starts_with('/') || page.contains("://") {
        return problem(
            "a page is a path inside the mini program without a leading slash: pages/index/index?id=1",
        );
    }
    if page.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return problem("a page has no spaces or control characters; encode them");
    }
    Ok(())
}

fn check_length(field: &str, text: Option<&str>) -> Result<(), Problem> {
    match text {
        Some(text) if text.is_empty() || text.len() > MAX_REFERENCE_LENGTH => {
            Err(Problem::invalid(field, format!("it has 1 to {MAX_REFERENCE_LENGTH} bytes")))
        }
        _ => Ok(()),
    }
}

/// Checks an idempotency key that stands in `field`.
///
/// # Errors
/// A problem that names the field.
pub fn check_idempotency_key(field: &str, key: Option<&str>) -> Result<(), Problem> {
    let good = |key: &str| {
        (1..=MAX_KEY_LENGTH).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    };
    match key {
        Some(key) if !good(key) => {
            Err(Problem::invalid(field, format!("1 to {MAX_KEY_LENGTH} visible ASCII characters")))
        }
        _ => Ok(()),
    }
}

/// Every field of the template is there, none is unknown, each keeps its rule; in the template's order.
fn check_data(template: &Template, data: Fields) -> Result<Fields, Problem> {
    let names: Vec<&str> = template.fields.iter().map(|field| field.name.as_str()).collect();
    let mut given = data.0;
    if let Some((name, _)) = given.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        return Err(Problem::invalid(
            format!("data.{}", shorten(name)),
            format!("the template has no such field; it has {}", names.join(", ")),
        ));
    }
    let mut ordered = Vec::with_capacity(names.len());
    for name in names {
        let Some(at) = given.iter().position(|(given, _)| given == name) else {
            return Err(Problem::invalid(format!("data.{name}"), "the template needs this field"));
        };
        let (name, value) = given.swap_remove(at);
        let enums = template.record.enums.get(&name).map(Vec::as_slice);
        check_field(&name, &value.value, enums).map_err(|problem| {
            Problem::invalid(format!("data.{name}"), problem.rule_en.clone()).with("rule_zh", problem.rule_zh)
        })?;
        check_color(&name, value.color.as_deref())?;
        ordered.push((name, value));
    }
    Ok(Fields(ordered))
}

fn check_color(name: &str, color: Option<&str>) -> Result<(), Problem> {
    let good = |color: &str| {
        color.strip_prefix('#').is_some_and(|hex| {
            matches!(hex.len(), 3 | 6 | 8) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    match color {
        Some(color) if !good(color) => {
            Err(Problem::invalid(format!("data.{name}.color"), "a colour is written like #173177"))
        }
        _ => Ok(()),
    }
}

fn check_emphasis(template: &Template, emphasis: Option<&str>) -> Result<(), Problem> {
    let Some(emphasis) = emphasis else { return Ok(()) };
    let known = emphasis
        .strip_suffix(".DATA")
        .is_some_and(|name| template.fields.iter().any(|field| field.name == name));
    if known {
        Ok(())
    } else {
        Err(Problem::invalid("emphasis_keyword", "names a field of the template, like keyword1.DATA"))
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_paths_inside_the_mini_program() {
        assert!(check_page(Some("pages/index/index?from=card")).is_ok());
        for bad in ["", "/pages/index", "https://example.com/x", "pages/a b"] {
            assert_eq!(check_page(Some(bad)).unwrap_err().field.as_deref(), Some("page"), "{bad}");
        }
    }

    #[test]
    fn an_unknown_key_of_a_request_is_named() {
        let error = serde_json::from_str::<MessageRequest>(
            r#"{"app":"a","to":"b","template":"c","data":{},"sendat":"x"}"#,
        )
        .unwrap_err();
        assert!(error.to_string().contains("`sendat`"), "{error}");
    }
}
