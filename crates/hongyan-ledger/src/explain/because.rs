//! One cause for which there was no permit.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, TemplateId};
use serde::{Deserialize, Serialize};

use crate::ids::{MessageId, PermitId};
use crate::message::MessageState;

/// Why there was no permit. Stable names: API clients branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BecauseCode {
    /// What was left is kept by another message.
    Reserved,
    /// WeChat said that the permit is void: the user withdrew it (43101, or an event), or its code is wrong or used (41028,
    /// 41029).
    Revoked,
    /// Its time was over, or will be when the message is due.
    Expired,
    /// All its units are spent.
    Spent,
    /// The permit that came with the message had been used before.
    OwnPermitUsed,
    /// The user had never been granted one that serves this template.
    NeverGranted,
    /// There was one, but for another template.
    OtherTemplate,
    /// There is one by now; it came too late for this message.
    GrantedLater,
    /// It tried as many permits as a message may, and WeChat called each of them void; it was not tried with the others.
    TooManyVoid,
}

impl BecauseCode {
    /// Every code.
    pub const ALL: [Self; 9] = [
        Self::Reserved,
        Self::Revoked,
        Self::Expired,
        Self::Spent,
        Self::OwnPermitUsed,
        Self::NeverGranted,
        Self::OtherTemplate,
        Self::GrantedLater,
        Self::TooManyVoid,
    ];
}

/// One cause, true of one or more permits. What it says beside their number is about the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// Which.
    pub code: BecauseCode,
    /// Of how many permits it is true.
    pub permits: u32,
    /// The permit of which that became true last.
    pub permit: Option<PermitId>,
    /// When: kept since, found void, expired, spent, granted.
    pub at: Option<UnixMillis>,
    /// The message that keeps or spent it, or found it void.
    pub message: Option<MessageId>,
    /// Where the message is that keeps it.
    pub message_state: Option<MessageState>,
    /// WeChat's word on it.
    pub errcode: Option<Errcode>,
    /// The template that it is for.
    pub template: Option<TemplateId>,
}

impl Because {
    /// A cause of which nothing more is known.
    pub const fn only(code: BecauseCode) -> Self {
        Self {
            code,
            permits: 0,
            permit: None,
            at: None,
            message: None,
            message_state: None,
            errcode: None,
            template: None,
        }
    }
}
