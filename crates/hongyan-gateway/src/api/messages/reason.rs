//! Why a message is in its state, in words.

use hongyan_ledger::explain::Because;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{MessageState, ReasonCode};
use hongyan_store::types::MessageView;
use hongyan_wechat::Errcode;
use serde::Serialize;
use utoipa::ToSchema;

use super::because::{BecauseJson, words};
use crate::schemas;

/// Why a message is in its state.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Reason)]
pub(super) struct ReasonJson {
    /// Stable.
    #[schema(value_type = schemas::ReasonCode)]
    code: ReasonCode,
    /// WeChat's errcode, if WeChat gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Errcode)]
    errcode: Option<Errcode>,
    /// WeChat's error message, or the network's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    errmsg: Option<String>,
    /// What this means and what to do.
    explanation: String,
    /// The same in Chinese.
    explanation_zh: String,
    /// The path of the gateway's page that explains the errcode.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/errcodes#errcode-43101")]
    help: Option<String>,
    /// Why there is no permit; the most likely cause comes first. Only `GET /v1/messages/{id}` has this member, and only while
    /// the causes can still be found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    because: Vec<BecauseJson>,
}

impl ReasonJson {
    pub(super) fn new(code: ReasonCode, outcome: Option<&Outcome>) -> Self {
        Self::with_words(code, outcome, explain(code), &[])
    }

    /// The reason of a stored message, with the causes if the message has no permit.
    pub(super) fn because(message: &MessageView, causes: &[Because]) -> Option<Self> {
        let code = message.reason?;
        let lead = if causes.is_empty() { explain(code) } else { lacked_a_permit(message.state) };
        Some(Self::with_words(code, message.last_outcome.as_ref(), lead, causes))
    }

    fn with_words(
        code: ReasonCode,
        outcome: Option<&Outcome>,
        (lead_en, lead_zh): (&str, &str),
        causes: &[Because],
    ) -> Self {
        let errcode = outcome.and_then(Outcome::errcode).filter(|errcode| *errcode != Errcode::OK);
        let (causes_en, causes_zh) = words(causes);
        let mut explanation = format!("{lead_en} {causes_en}").trim_end().to_owned();
        let mut explanation_zh = format!("{lead_zh}{causes_zh}");
        if let Some(info) = errcode.and_then(Errcode::info) {
            let code = info.errcode.0;
            explanation = format!("{explanation} WeChat says {code}: {}", info.explanation_en());
            explanation_zh = format!("{explanation_zh}微信返回 {code}：{}", info.explanation_zh());
        }
        let errmsg = outcome.map(|outcome| outcome.text().to_owned()).filter(|text| !text.is_empty());
        let because = causes.iter().map(BecauseJson::from).collect();
        let help = errcode.and_then(crate::problem::errcode::help);
        Self { code, errcode, errmsg, explanation, explanation_zh, help, because }
    }
}

/// What each reason means, in English and Chinese.
const fn explain(code: ReasonCode) -> (&'static str, &'static str) {
    match code {
        ReasonCode::NoPermit => (
            "The user has no permit that serves this message: no permit was granted, or all are spent, expired or revoked.",
            "该用户没有可用的下发额度：从未授予，或均已消耗、过期或被撤销。",
        ),
        ReasonCode::WechatRefused => ("WeChat refused the message.", "微信拒绝了这条消息。"),
        ReasonCode::WechatUnavailable => (
            "WeChat could not be reached or was busy. The gateway tries again by itself.",
            "微信无法访问或繁忙，消息会自动重试。",
        ),
        ReasonCode::NoAnswer => (
            "The request was written and no answer came, so nobody knows whether the user has the message.",
            "请求已发出但没有收到应答，无法确定用户是否已收到。",
        ),
        ReasonCode::AppPaused => (
            "The app is paused. The message is kept and sent when the pause ends.",
            "小程序已暂停下发，消息会保留，恢复后继续发送。",
        ),
        ReasonCode::UserBusy => (
            "WeChat is working on another message to this user. The gateway tries again shortly.",
            "微信正在处理发给该用户的另一条消息，稍后自动重试。",
        ),
        ReasonCode::DeadlinePassed => {
            ("The deadline passed before the message could be sent.", "在截止时间之前未能发送。")
        }
        ReasonCode::Cancelled => ("The message was cancelled before it was sent.", "消息在发送前被取消。"),
        ReasonCode::Replaced => (
            "A newer message with the same collapse_key replaced this message before it was sent.",
            "在发送之前被另一条 collapse_key 相同的新消息取代。",
        ),
        ReasonCode::GivenUp => (
            "WeChat did not answer. An operator found that the message was not sent, and let it fail.",
            "微信没有应答；经人工确认没有送达，并决定不再发送。",
        ),
        ReasonCode::Restored => (
            "The database was restored from a backup in which this message was not sent yet. It may have been sent since the backup, so it is not sent again.",
            "数据库已从备份恢复；备份时这条消息尚未发送，此后可能已经发出，因此不会再次发送。",
        ),
        ReasonCode::NotDelivered => (
            "WeChat accepted the message, and later reported that the user did not get it.",
            "微信已受理这条消息，但随后通知用户没有收到。",
        ),
    }
}

/// The sentence before the causes of a missing permit: in the present for a waiting message, in the past for an ended one.
const fn lacked_a_permit(state: MessageState) -> (&'static str, &'static str) {
    match state {
        MessageState::Expired => (
            "The deadline passed while the user had no permit that serves this message.",
            "截止时间已过，其间该用户没有可用的下发额度。",
        ),
        MessageState::Waiting => {
            ("The user has no permit that serves this message.", "该用户没有可用的下发额度。")
        }
        _ => ("The user had no permit that serves this message.", "当时该用户没有可用的下发额度。"),
    }
}

/// The reason of a stored message.
pub(super) fn reason(message: &MessageView) -> Option<ReasonJson> {
    ReasonJson::because(message, &[])
}
