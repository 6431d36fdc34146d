//! What the outcome of one attempt does to the message, to its permit and to its app.
//!
//! This is the table of `docs/reliability.md` as one `match`.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::Errcode;
use serde::{Deserialize, Serialize};

use crate::enums::names;
use crate::message::{OnUnknown, PermitPolicy, ReasonCode};
use crate::permit::{Origin, PermitKind};
use crate::retry;
use crate::units::UnitEffect;

/// How long an app pauses after WeChat refused two tokens in a row for one message. Another program keeps fetching tokens
/// for this app; going on at once would only make each invalidate the other's tokens.
pub const TOKEN_FIGHT_PAUSE: Duration = Duration::from_secs(60);

/// After so many dead permits in a row a message gives up. Each dead permit costs the app a call of its quota at WeChat, and
/// a user who invents codes can bring any number of them.
pub const MAX_DEAD_PERMITS: u32 = 5;

/// After so many codes in a row that WeChat does not know, the other codes that the mini program claimed for this user are
/// not believed any more.
pub const MAX_INVENTED_CODES: u32 = 3;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// WeChat answered.
    Answered {
        /// Its errcode; 0 is success.
        errcode: Errcode,
        /// Its errmsg.
        errmsg: String,
        /// WeChat's number of the message, if the answer had one. The event that reports the result names the message by it.
        /// Text in JSON, because JavaScript's numbers are too short for it.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "msgid_as_text")]
        msgid: Option<i64>,
    },
    /// Nothing of the request was written.
    NotSent {
        /// What went wrong.
        why: String,
    },
    /// The request was written, at least in part, and no answer came.
    Unanswered {
        /// What went wrong.
        why: String,
    },
}

impl Outcome {
    /// The errcode, if WeChat answered.
    pub const fn errcode(&self) -> Option<Errcode> {
        match self {
            Self::Answered { errcode, .. } => Some(*errcode),
            _ => None,
        }
    }

    /// WeChat's number of the message, if the answer had one.
    pub const fn msgid(&self) -> Option<i64> {
        match self {
            Self::Answered { msgid, .. } => *msgid,
            _ => None,
        }
    }

    /// An answer without a msgid.
    pub fn answered(errcode: Errcode, errmsg: impl Into<String>) -> Self {
        Self::Answered { errcode, errmsg: errmsg.into(), msgid: None }
    }

    /// The kind of outcome, as in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Answered { .. } => "answered",
            Self::NotSent { .. } => "not_sent",
            Self::Unanswered { .. } => "unanswered",
        }
    }

    /// The errmsg, or what went wrong.
    pub fn text(&self) -> &str {
        match self {
            Self::Answered { errmsg, .. } => errmsg,
            Self::NotSent { why } | Self::Unanswered { why } => why,
        }
    }
}

mod msgid_as_text {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    #[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(msgid: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        match msgid {
            Some(msgid) => serializer.collect_str(msgid),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// What settling needs to know of the permit that the attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitInUse {
    /// The permit's kind.
    pub kind: PermitKind,
    /// How many units the permit was granted in all.
    pub granted: u32,
    /// The message holds one of its units by the stored count `held`, not only by being in flight.
    pub held: bool,
}

impl PermitInUse {
    /// Whether WeChat itself prevents a second copy: a code that is good for one message is answered with 41029 when it is
    /// used again.
    const fn repeats_safely(self) -> bool {
        self.kind.has_code() && self.granted == 1
    }
}

/// What settling needs to know of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The permit that the attempt used, if any.
    pub permit: Option<PermitInUse>,
    /// What to do when nobody knows whether the message arrived.
    pub on_unknown: OnUnknown,
    /// An earlier attempt with this permit got no answer.
    pub maybe_delivered: bool,
}

/// What becomes of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// WeChat took the message.
    Sent,
    /// The message will not be sent.
    Failed(ReasonCode),
    /// Nobody knows whether the message arrived; it is held.
    Unknown,
    /// The message goes back to `ready`; look again at this moment, or when the app is resumed.
    Retry {
        /// When.
        wake_at: Option<UnixMillis>,
        /// Why.
        reason: ReasonCode,
    },
    /// The permit was dead: go on with the next permit. If there is no other, the message's policy decides.
    Replace,
}

/// Why an app is paused. Stable names: API clients branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseCode {
    /// The app's day quota is used up; the pause ends at midnight in Beijing.
    DayQuota,
    /// Too many calls in this minute; the pause ends with the minute.
    MinuteQuota,
    /// Fresh tokens are refused: another program fetches tokens for this app.
    TokenRejected,
    /// The app's settings are wrong or WeChat has blocked it; an operator must act.
    Misconfigured,
    /// An operator paused the app.
    Operator,
    /// WeChat does not answer this app's messages. At the end of the pause one message is tried; its answer ends the pause.
    WechatUnavailable,
}

names!(PauseCode {
    DayQuota: "day_quota",
    MinuteQuota: "minute_quota",
    TokenRejected: "token_rejected",
    Misconfigured: "misconfigured",
    Operator: "operator",
    WechatUnavailable: "wechat_unavailable"
});

/// A pause of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppPause {
    /// Why.
    pub code: PauseCode,
    /// Until when; `None`: until an operator resumes it.
    pub until: Option<UnixMillis>,
}

/// What to change, all in one commit (the app's pause may follow it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effects {
    /// What becomes of the message.
    pub next: Next,
    /// What becomes of its unit; meaningless without a permit.
    pub unit: UnitEffect,
    /// Whether, from now on, the user may have the message although WeChat never said so.
    pub maybe_delivered: bool,
    /// The pause of the app, if it must pause.
    pub app: Option<AppPause>,
}

/// Whether an errcode means that the app's settings are wrong or that WeChat has blocked the app, so that no message of the
/// app can go out until somebody acts.
pub const fn is_misconfiguration(errcode: Errcode) -> bool {
    matches!(
        errcode,
        Errcode::INVALID_APPID
            | Errcode::INVALID_SECRET
            | Errcode::IP_NOT_LISTED
            | Errcode::SECRET_FROZEN
            | Errcode(50004 | 50007 | 89503 | 89506 | 89507)
    )
}

/// Whether an errcode means that the access token is not valid, or no longer.
pub const fn is_token_refusal(errcode: Errcode) -> bool {
    matches!(errcode, Errcode::INVALID_CREDENTIAL | Errcode::INVALID_ACCESS_TOKEN | Errcode::TOKEN_EXPIRED)
}

/// Whether an errcode means that the permit is void.
pub const fn is_permit_refusal(errcode: Errcode) -> bool {
    matches!(errcode, Errcode::INVALID_FORM_ID | Errcode::FORM_ID_USED | Errcode::NOT_ACCEPTED)
}

/// What becomes of a message whose permit was dead ([`Next::Replace`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The message goes on with another permit.
    Another,
    /// The message waits until a permit is granted.
    Wait,
    /// The message fails for want of a permit.
    Fail,
}

/// Whether an errcode means that the permit is void and leaves open whether the code was ever real. A used code (41029) was
/// real: after a restore a user may hold many used codes, and the next code may still be good.
pub const fn is_doubtful(errcode: Errcode) -> bool {
    is_permit_refusal(errcode) && errcode.0 != Errcode::FORM_ID_USED.0
}

/// Decides what becomes of a message whose permit was dead. `dead_in_a_row` counts the attempts in a row with a doubtful
/// refusal ([`is_doubtful`]: used codes do not count), this attempt included. `another`: the user has another permit that
/// would serve.
pub fn replace(dead_in_a_row: u32, another: bool, policy: PermitPolicy) -> Replacement {
    match (another, policy) {
        (true, _) if dead_in_a_row >= MAX_DEAD_PERMITS => Replacement::Fail,
        (true, _) => Replacement::Another,
        (false, PermitPolicy::Wait) => Replacement::Wait,
        (false, PermitPolicy::Require | PermitPolicy::Try) => Replacement::Fail,
    }
}

/// Whether the user's other claims are void, too: this code was claimed by the mini program, and WeChat did not know it nor
/// the codes just before it. (Only 41028 counts: a used code was a real code, and so was a withdrawn subscription.)
pub fn is_invented(errcodes_in_a_row: &[Errcode], origin: Option<Origin>) -> bool {
    let unknown =
        errcodes_in_a_row.iter().take_while(|errcode| **errcode == Errcode::INVALID_FORM_ID).count();
    origin == Some(Origin::MiniProgram) && unknown >= MAX_INVENTED_CODES as usize
}

/// Decides what the outcome of an attempt does. `random` is between 0 and 1. A token refusal that arrives here has survived
/// one refresh of the token and one repeat already.
pub fn settle(message: &InFlight, outcome: &Outcome, now: UnixMillis, random: f64) -> Effects {
    // A unit that may be spent already is never freed before WeChat has said what became of it. A unit that the message had
    // reserved from the start stays reserved.
    let held = message.permit.is_some_and(|permit| permit.held);
    let keep = if message.maybe_delivered || held { UnitEffect::Hold } else { UnitEffect::Release };
    let effects = |next, unit| Effects { next, unit, maybe_delivered: message.maybe_delivered, app: None };
    let retry = |wake_at, reason| effects(Next::Retry { wake_at, reason }, keep);
    let pause = |code, until, wake_at| Effects {
        app: Some(AppPause { code, until }),
        ..retry(wake_at, ReasonCode::AppPaused)
    };
    let soon = |ceiling| Some(now.plus(retry::jitter(ceiling, random)));
    let backoff = || Some(now.plus(retry::backoff(message.attempt, random)));

    let errcode = match outcome {
        Outcome::Answered { errcode, .. } => *errcode,
        Outcome::NotSent { .. } => return retry(backoff(), ReasonCode::WechatUnavailable),
        Outcome::Unanswered { .. } => {
            let repeat = message.permit.is_some_and(PermitInUse::repeats_safely)
                || message.on_unknown == OnUnknown::Resend;
            let next = if repeat {
                Next::Retry { wake_at: backoff(), reason: ReasonCode::NoAnswer }
            } else {
                Next::Unknown
            };
            return Effects { maybe_delivered: true, ..effects(next, UnitEffect::Hold) };
        }
    };

    match errcode {
        Errcode::OK => effects(Next::Sent, UnitEffect::Spend),
        Errcode::SYSTEM_BUSY => retry(backoff(), ReasonCode::WechatUnavailable),
        Errcode::SEND_CONFLICT => retry(soon(retry::USER_BUSY_PAUSE), ReasonCode::UserBusy),
        // The first copy arrived: its code is used, and only this message ever used the code.
        Errcode::FORM_ID_USED if message.maybe_delivered => effects(Next::Sent, UnitEffect::Spend),
        // The permit is void, and without it nobody can find out whether the first copy arrived.
        code if is_permit_refusal(code) && message.maybe_delivered => {
            effects(Next::Unknown, UnitEffect::Revoke)
        }
        code if is_permit_refusal(code) => effects(Next::Replace, UnitEffect::Revoke),
        Errcode::DAY_QUOTA => {
            let until = retry::next_beijing_midnight(now);
            pause(PauseCode::DayQuota, Some(until), Some(until))
        }
        Errcode::MINUTE_QUOTA => {
            let until = retry::next_minute(now);
            pause(PauseCode::MinuteQuota, Some(until), Some(until))
        }
        code if is_token_refusal(code) => {
            let until = now.plus(TOKEN_FIGHT_PAUSE);
            pause(PauseCode::TokenRejected, Some(until), Some(until))
        }
        code if is_misconfiguration(code) => pause(PauseCode::Misconfigured, None, None),
        // WeChat refused the content, not the permit. If an earlier copy may have arrived, this answer does not tell, so the
        // unit is not handed to another message.
        _ if message.maybe_delivered => effects(Next::Unknown, UnitEffect::Hold),
        _ => effects(Next::Failed(ReasonCode::WechatRefused), UnitEffect::Release),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
    const FORM: PermitInUse = PermitInUse { kind: PermitKind::Form, granted: 1, held: false };
    const SUBSCRIPTION: PermitInUse =
        PermitInUse { kind: PermitKind::SubscribeOnce, granted: 1, held: false };

    fn with(permit: PermitInUse) -> InFlight {
        InFlight { attempt: 1, permit: Some(permit), on_unknown: OnUnknown::Hold, maybe_delivered: false }
    }

    fn answered(errcode: i32) -> Outcome {
        Outcome::answered(Errcode(errcode), "")
    }

    fn decide(message: &InFlight, outcome: &Outcome) -> (Next, UnitEffect, Option<PauseCode>) {
        let effects = settle(message, outcome, NOW, 1.0);
        (effects.next, effects.unit, effects.app.map(|pause| pause.code))
    }

    #[test]
    fn success_spends_the_unit() {
        assert_eq!(decide(&with(FORM), &answered(0)), (Next::Sent, UnitEffect::Spend, None));
    }

    #[test]
    fn a_busy_wechat_is_asked_again_later_and_the_unit_is_free() {
        for outcome in [answered(-1), Outcome::NotSent { why: "refused".into() }] {
            let (next, unit, _) = decide(&with(FORM), &outcome);
            assert_eq!(unit, UnitEffect::Release);
            assert_eq!(
                next,
                Next::Retry {
                    wake_at: Some(UnixMillis(NOW.0 + 1000)),
                    reason: ReasonCode::WechatUnavailable
                }
            );
        }
    }

    #[test]
    fn a_dead_permit_is_revoked_and_replaced() {
        for code in [41028, 41029, 43101] {
            assert_eq!(
                decide(&with(FORM), &answered(code)),
                (Next::Replace, UnitEffect::Revoke, None),
                "{code}"
            );
        }
    }

    #[test]
    fn a_refused_message_fails_and_its_unit_is_free() {
        for code in [41030, 40037, 40003, 47003, 45168, 43107, 12345] {
            assert_eq!(
                decide(&with(FORM), &answered(code)),
                (Next::Failed(ReasonCode::WechatRefused), UnitEffect::Release, None),
                "{code}"
            );
        }
    }

    #[test]
    fn quotas_tokens_and_settings_pause_the_app_and_keep_the_message() {
        let rows = [
            (45009, PauseCode::DayQuota),
            (45011, PauseCode::MinuteQuota),
            (40001, PauseCode::TokenRejected),
            (40014, PauseCode::TokenRejected),
            (42001, PauseCode::TokenRejected),
            (40013, PauseCode::Misconfigured),
            (40125, PauseCode::Misconfigured),
            (40164, PauseCode::Misconfigured),
            (40243, PauseCode::Misconfigured),
            (50004, PauseCode::Misconfigured),
            (50007, PauseCode::Misconfigured),
            (89503, PauseCode::Misconfigured),
            (89506, PauseCode::Misconfigured),
            (89507, PauseCode::Misconfigured),
        ];
        for (code, pause) in rows {
            let (next, unit, app) = decide(&with(FORM), &answered(code));
            assert!(matches!(next, Next::Retry { .. }), "{code}");
            assert_eq!((unit, app), (UnitEffect::Release, Some(pause)), "{code}");
        }
    }

    #[test]
    fn a_lost_answer_holds_a_subscription_and_repeats_a_form() {
        let lost = Outcome::Unanswered { why: "reset".into() };
        assert_eq!(decide(&with(SUBSCRIPTION), &lost), (Next::Unknown, UnitEffect::Hold, None));
        let (next, unit, _) = decide(&with(FORM), &lost);
        assert!(matches!(next, Next::Retry { .. }));
        assert_eq!(unit, UnitEffect::Hold);
        let resend = InFlight { on_unknown: OnUnknown::Resend, ..with(SUBSCRIPTION) };
        assert!(matches!(decide(&resend, &lost).0, Next::Retry { .. }));
        let payment_of_three = PermitInUse { kind: PermitKind::Payment, granted: 3, held: false };
        assert_eq!(decide(&with(payment_of_three), &lost).0, Next::Unknown, "WeChat would deliver it again");
    }

    #[test]
    fn the_repeat_of_a_form_that_arrived_is_answered_41029_and_counts_as_sent() {
        let repeat = InFlight { maybe_delivered: true, attempt: 2, ..with(FORM) };
        assert_eq!(decide(&repeat, &answered(41029)), (Next::Sent, UnitEffect::Spend, None));
        assert_eq!(decide(&repeat, &answered(41028)), (Next::Unknown, UnitEffect::Revoke, None));
        assert_eq!(decide(&repeat, &answered(-1)).1, UnitEffect::Hold, "never freed while in doubt");
    }
}
