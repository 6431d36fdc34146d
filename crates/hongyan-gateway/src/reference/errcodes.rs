//! The page of errcodes: what each errcode means, who is responsible, what the gateway does, and what to do.

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::{
    Effects, InFlight, Next, Outcome, PauseCode, PermitInUse, is_token_refusal, settle,
};
use hongyan_ledger::units::UnitEffect;
use hongyan_ledger::{OnUnknown, PermitKind};
use hongyan_ui::Language;
use hongyan_wechat::{Errcode, ErrcodeInfo, Fault, all_errcodes};

use super::{Entry, Page};
use crate::problem::errcode::anchor;
use crate::{login, templates, token};

pub(super) fn page(language: Language) -> Page {
    let (title, lead) = language.pick((
            "错误码",
            [
                "微信以数字错误码应答。本页列出 Hongyan 认识的全部错误码：含义、责任在谁、网关遇到时自动做什么、还需要你做什么。",
                "本页由代码中的错误码表和规则生成。带错误码的 problem 和 reason 会通过 `help` 链接到这里；运行中的网关在 \
                 `/errcodes` 提供同一页面。未列出的错误码一律按消息被拒处理。",
            ],
        ), (
            "Errcodes",
            [
                "WeChat answers with a number, the errcode. This page lists each errcode that Hongyan can explain: what it \
                 means, who is responsible, what the gateway does by itself, and what is left for you.",
                "This page is generated from the table and the rules in the code. Problems and reasons with an errcode link \
                 here (`help`); a running gateway serves the page at `/errcodes`. The gateway treats an errcode that is not \
                 listed as a refusal of the message.",
            ],
        ));
    Page {
        name: "errcodes",
        language,
        title,
        lead: lead.map(str::to_owned).into(),
        entries: all_errcodes().iter().map(|info| entry(info, language)).collect(),
    }
}

fn entry(info: &ErrcodeInfo, language: Language) -> Entry {
    let code = info.errcode;
    let mut lines = vec![
        (language.pick("责任方", "Whose"), whose(info.fault, language).to_owned()),
        (language.pick("下发消息", "Sending"), on_send(code, language)),
    ];
    if token::refuses_every_fetch(code) {
        let words = language.pick("小程序被暂停（`misconfigured`），直到更换 AppSecret 或手动恢复；消息全部保留", "the app is paused (`misconfigured`) until its AppSecret is changed or somebody resumes it; all messages are kept");
        lines.push((language.pick("获取凭证", "Fetching a token"), words.to_owned()));
    }
    let problem = |status: axum::http::StatusCode, code: &str| {
        language.pick(format!("返回 {} `{code}`", status.as_u16()), format!("{} `{code}`", status.as_u16()))
    };
    let (status, name) = login::refused_as(code);
    if name != OTHERWISE {
        lines.push((language.pick("登录", "Logging in"), problem(status, name)));
    }
    let (status, name, field) = templates::refused_as(code);
    if name != OTHERWISE {
        let field = field
            .map(|field| language.pick(format!("，`field` 为 `{field}`"), format!(", `field` is `{field}`")));
        let words = problem(status, name) + &field.unwrap_or_default();
        lines.push((language.pick("模板库", "The template library"), words));
    }
    lines.push((language.pick("你要做的", "You"), language.pick(info.advice_zh, info.advice_en).to_owned()));
    Entry {
        name: code.to_string(),
        anchor: anchor(code),
        heading: format!("{code} `{}`", info.name),
        text: language.pick(format!("{}。", info.meaning_zh), format!("{}.", info.meaning_en)),
        lines,
    }
}

/// The problem code of errcodes without a problem code of their own.
const OTHERWISE: &str = "wechat_refused";

fn whose(fault: Fault, language: Language) -> &'static str {
    match fault {
        Fault::WeChat => language.pick("微信；等待即可", "WeChat; wait"),
        Fault::Caller => language.pick("请求方；需修改请求", "the caller; the request must change"),
        Fault::User => language.pick("用户", "the user"),
        Fault::Configuration => language.pick("小程序在微信侧的配置", "the app's settings at WeChat"),
        Fault::Quota => language.pick("调用量超限", "too many requests in too short a time"),
        Fault::Race => language.pick("同时进行的其他操作", "another operation at the same time"),
    }
}

/// What the ledger does with a message if WeChat answers its send with this errcode.
fn on_send(errcode: Errcode, language: Language) -> String {
    let first = decide(errcode, false);
    let mut text = effects(&first, language);
    if is_token_refusal(errcode) {
        let before = language.pick(
            "先更换凭证并立即重发一次；若仍被拒绝：",
            "the token is replaced and the request is repeated at once; if WeChat refuses it again: ",
        );
        text.insert_str(0, before);
    }
    let repeat = decide(errcode, true);
    if (repeat.next, repeat.unit) != (first.next, first.unit)
        && matches!(repeat.next, Next::Sent | Next::Unknown)
    {
        let doubt = language.pick(
            "。若之前的尝试没有得到应答、用户可能已收到：",
            ". If an earlier attempt got no answer, so that the user may have the message: ",
        );
        text.push_str(doubt);
        text.push_str(&effects(&repeat, language));
    }
    text
}

/// What settling decides about a first attempt with a permit of one unit or, if `in_doubt`, about a repeat.
fn decide(errcode: Errcode, in_doubt: bool) -> Effects {
    let message = InFlight {
        attempt: 1,
        permit: Some(PermitInUse { kind: PermitKind::Form, granted: 1, held: false }),
        on_unknown: OnUnknown::Hold,
        maybe_delivered: in_doubt,
    };
    let outcome = Outcome::answered(errcode, "");
    settle(&message, &outcome, UnixMillis(0), 1.0)
}

fn effects(effects: &Effects, language: Language) -> String {
    let next = match (effects.next, effects.app) {
        (Next::Sent, _) => {
            language.pick("消息为 `sent`：第一份已送达", "the message is `sent`: the first copy arrived")
        }
        (Next::Failed(_), _) => language
            .pick("消息变为 `failed`（`wechat_refused`）", "the message is `failed` (`wechat_refused`)"),
        (Next::Unknown, _) => language.pick("消息变为 `unknown`", "the message is `unknown`"),
        (Next::Retry { .. }, Some(pause)) => return paused(pause.code, language),
        (Next::Retry { .. }, None) => language
            .pick("消息保持 `ready`，网关自动重试", "the message stays `ready` and the gateway tries again by itself"),
        (Next::Replace, _) => language.pick("换用下一份额度；没有时按消息的要求等待或失败（`no_permit`）", "the next permit is used; if no permit is left, the message waits or fails (`no_permit`), as it asked"),
    };
    let unit = match effects.unit {
        UnitEffect::Spend => language.pick("额度消耗一次", "the unit is spent"),
        UnitEffect::Release => language.pick("额度释放", "the unit is free again"),
        UnitEffect::Revoke => language.pick("该份额度的剩余部分被撤销", "the rest of the permit is revoked"),
        UnitEffect::Hold => language.pick("额度保留", "the unit is kept"),
    };
    language.pick(format!("{next}，{unit}"), format!("{next}; {unit}"))
}

fn paused(code: PauseCode, language: Language) -> String {
    let until = match code {
        PauseCode::DayQuota => language.pick("到北京时间零点", "until midnight in Beijing"),
        PauseCode::MinuteQuota => language.pick("到下一分钟", "until the next minute"),
        PauseCode::TokenRejected => language.pick("一分钟", "for a minute"),
        PauseCode::WechatUnavailable => language.pick("到微信恢复应答", "until WeChat answers again"),
        PauseCode::Misconfigured | PauseCode::Operator => {
            language.pick("直到有人处理", "until somebody acts")
        }
    };
    let name = code.name();
    language.pick(format!("小程序暂停{until}（`{name}`），消息保留，恢复后下发，额度释放"), format!("the app is paused {until} (`{name}`); the message is kept and sent afterwards; the unit is free again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_the_ledger_does() {
        let en = |code: i32| on_send(Errcode(code), Language::En);
        assert!(en(45_009).contains("until midnight in Beijing (`day_quota`)"), "{}", en(45_009));
        assert!(en(43_101).contains("next permit") && en(43_101).contains("revoked"), "{}", en(43_101));
        assert!(en(41_029).contains("first copy arrived"), "{}", en(41_029));
        assert!(en(40_001).starts_with("the token is replaced"), "{}", en(40_001));
        assert!(en(40_003).starts_with("the message is `failed`"), "{}", en(40_003));
        assert!(en(-1).contains("tries again by itself"), "{}", en(-1));
        assert!(on_send(Errcode(40_013), Language::Zh).contains("直到有人处理"));
    }
}
