//! Why a message had no permit, as data and in words.

use std::borrow::Cow;

use hongyan_clock::UnixMillis;
use hongyan_ledger::explain::{Because, BecauseCode};
use hongyan_ledger::{MessageId, MessageState, PermitId};
use hongyan_wechat::{Errcode, TemplateId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schemas;

/// One cause of a missing permit. If it holds for several permits, the other members describe the most recent one.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Because)]
pub(super) struct BecauseJson {
    /// Stable.
    #[schema(value_type = schemas::BecauseCode)]
    code: BecauseCode,
    /// The number of permits for which this cause holds.
    #[serde(skip_serializing_if = "is_zero")]
    permits: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::PermitId)]
    permit: Option<PermitId>,
    /// When this happened. For a permit that is kept: it has been kept since this time or longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    at: Option<UnixMillis>,
    /// The message that spent the permit, keeps it, or found it void.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::MessageId)]
    message: Option<MessageId>,
    /// That message's state, if it still keeps the permit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::MessageState)]
    message_state: Option<MessageState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Errcode)]
    errcode: Option<Errcode>,
    /// The template that the permit is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::TemplateId)]
    template: Option<TemplateId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl From<&Because> for BecauseJson {
    fn from(because: &Because) -> Self {
        Self {
            code: because.code,
            permits: because.permits,
            permit: because.permit,
            at: because.at,
            message: because.message,
            message_state: because.message_state,
            errcode: because.errcode,
            template: because.template.clone(),
        }
    }
}

/// A sentence for each cause, in English and Chinese.
pub(super) fn words(causes: &[Because]) -> (String, String) {
    let (en, zh): (Vec<_>, Vec<_>) = causes.iter().map(sentence).unzip();
    (en.join(" "), zh.concat())
}

fn sentence(because: &Because) -> (Cow<'static, str>, Cow<'static, str>) {
    let Because { permits, at, message, message_state, errcode, template, .. } = because;
    match (because.code, at, message) {
        (BecauseCode::Reserved, _, Some(message)) => kept_by(message, *message_state),
        (BecauseCode::Spent, Some(at), Some(message)) if *permits > 1 => (
            format!("{permits} permits are spent, the last one at {at} by {message}.").into(),
            format!("{permits} 个额度已消耗，最后一份于 {at} 被 {message} 消耗。").into(),
        ),
        (BecauseCode::Spent, Some(at), Some(message)) => (
            format!("The last unit was spent at {at} by {message}.").into(),
            format!("最后一份已于 {at} 被 {message} 消耗。").into(),
        ),
        (BecauseCode::Expired, Some(at), _) => {
            (format!("A permit expired at {at}.").into(), format!("有一份额度的有效期至 {at}。").into())
        }
        (BecauseCode::Revoked, Some(at), Some(message)) => {
            let errcode = errcode.map_or(0, |errcode| errcode.0);
            let (en, zh) = match errcode {
                43_101 => ("The user has withdrawn the right", "用户已撤回授权"),
                _ => ("WeChat does not accept the permit's code", "微信不认它的凭据"),
            };
            (
                format!("{en}: WeChat answered {errcode} to {message} at {at}.").into(),
                format!("{zh}：微信于 {at} 对 {message} 返回 {errcode}。").into(),
            )
        }
        (BecauseCode::Revoked, Some(at), None) => (
            format!("The user has withdrawn the right; WeChat reported it at {at}.").into(),
            format!("用户已撤回授权，微信于 {at} 推送了此事。").into(),
        ),
        (BecauseCode::GrantedLater, Some(at), _) => (
            format!("A permit was granted at {at}, too late for this message.").into(),
            format!("之后于 {at} 登记过一份，已经来不及了。").into(),
        ),
        (BecauseCode::TooManyVoid, _, _) => (
            format!(
                "The message tried {permits} permits, one after another, and WeChat refused all their codes. The other permits \
                 were not tried, because each try costs the app a call."
            )
            .into(),
            format!("已连续尝试 {permits} 个额度，微信均不认其凭据；每次尝试都消耗调用次数，因此没有再试其余的。").into(),
        ),
        (BecauseCode::OtherTemplate, ..) => {
            let other = template.as_ref().map_or("", |template| template.as_str());
            (
                format!("There is a permit for another template: {other}.").into(),
                format!("有可用的额度，但属于另一个模板：{other}。").into(),
            )
        }
        (BecauseCode::Reserved, ..) => {
            ("Other messages kept the units that were left.".into(), "剩余的额度由其他消息保留。".into())
        }
        (BecauseCode::Spent, ..) => ("All units are spent.".into(), "额度均已消耗。".into()),
        (BecauseCode::Expired, ..) => ("A permit has expired.".into(), "额度已过期。".into()),
        (BecauseCode::Revoked, ..) => ("The units that were left were revoked.".into(), "剩余的额度已被撤销。".into()),
        (BecauseCode::OwnPermitUsed, ..) => (
            "The message may use only the form id that came with it, and this form id had been used before.".into(),
            "它只能使用随消息带来的 form_id，而该 form_id 之前已用过。".into(),
        ),
        (BecauseCode::NeverGranted, ..) => (
            "The user had never granted a permit that serves the template.".into(),
            "此前没有给该用户登记过适用于该模板的额度。".into(),
        ),
        (BecauseCode::GrantedLater, ..) => ("A permit was granted later.".into(), "之后登记过一份。".into()),
    }
}

fn kept_by(message: &MessageId, state: Option<MessageState>) -> (Cow<'static, str>, Cow<'static, str>) {
    match state {
        Some(MessageState::Unknown) => (
            format!("A unit is kept by {message}, whose outcome is unknown; resolve that message to free the unit.")
                .into(),
            format!("有一份由结果未知的 {message} 保留，处置那条消息即可释放。").into(),
        ),
        Some(state) => (
            format!("A unit is kept by another message, {message} ({state}).").into(),
            format!("有一份由另一条消息 {message}（{state}）保留。").into(),
        ),
        None => (
            format!("A unit was kept by another message, {message}.").into(),
            format!("有一份当时由另一条消息 {message} 保留。").into(),
        ),
    }
}

/// A cause with every member that a cause can have.
#[cfg(test)]
pub(super) fn full(code: BecauseCode) -> Because {
    use hongyan_ledger::Lane;
    use hongyan_ledger::ids::IdMaker;

    let (ids, lane, now) = (IdMaker::new(), Lane::new(0).unwrap(), UnixMillis(1_700_000_000_000));
    Because {
        code,
        permits: 1,
        permit: Some(ids.permit(lane, now)),
        at: Some(now),
        message: Some(ids.message(lane, now)),
        message_state: Some(MessageState::Unknown),
        errcode: Some(Errcode(43_101)),
        template: Some("template-1".parse().unwrap()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_words_with_and_without_details() {
        for code in BecauseCode::ALL {
            for because in [full(code), Because::only(code)] {
                let (en, zh) = words(&[because]);
                assert!(en.ends_with('.') && en.len() > 10, "{code:?}: {en}");
                assert!(zh.ends_with('。') && !zh.contains("prm_"), "{code:?}: {zh}");
            }
        }
        let (en, _) = words(&[full(BecauseCode::Revoked), full(BecauseCode::Expired)]);
        assert!(en.contains("43101") && en.contains("2023-11-14T22:13:20.000Z"), "{en}");
    }
}
