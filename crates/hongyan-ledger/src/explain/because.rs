//! One reason why there was no permit.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, TemplateId};
use serde::{Deserialize, Serialize};

use crate::ids::{MessageId, PermitId};
use crate::message::MessageState;

/// Why there was no permit. Stable names: API clients branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BecauseCode {
    /// Another message keeps the units that were left.
    Reserved,
    /// WeChat said that the permit is void: the user withdrew the right (43101, or an event), or the code is wrong or used
    /// (41028, 41029).
    Revoked,
    /// The permit had expired, or will have expired when the message is due.
    Expired,
    /// All its units are spent.
    Spent,
    /// The permit that came with the message was used before.
    OwnPermitUsed,
    /// The user had never been granted a permit that serves this template.
    NeverGranted,
    /// The user had a permit, but for another template.
    OtherTemplate,
    /// A permit was granted since; it came too late for this message.
    GrantedLater,
    /// The message tried as many permits as it may, and WeChat called each of them void. Other permits were not tried.
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

/// One cause, true of one or more permits. The fields other than `permits` are about the permit for which it became true
/// last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// The cause.
    pub code: BecauseCode,
    /// Of how many permits the cause is true.
    pub permits: u32,
    /// The permit for which the cause became true last.
    pub permit: Option<PermitId>,
    /// When the unit was kept, or the permit was found void, expired, was spent or was granted.
    pub at: Option<UnixMillis>,
    /// The message that keeps or spent the unit, or found the permit void.
    pub message: Option<MessageId>,
    /// The state of the message that keeps the unit.
    pub message_state: Option<MessageState>,
    /// WeChat's errcode for the permit.
    pub errcode: Option<Errcode>,
    /// The template of the permit.
    pub template: Option<TemplateId>,
}

impl Because {
    /// A cause without details.
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
