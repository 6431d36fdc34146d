//! The question: a message that lacked a permit, and what was done with the user's permits.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, TemplateId};

use crate::ids::{MessageId, PermitId};
use crate::message::{Channel, MessageState, PermitPolicy, ReasonCode};
use crate::settle::is_permit_refusal;

/// A message, with everything that tells whether and when it lacked a permit.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The message's id.
    pub id: MessageId,
    /// The channel of its template.
    pub channel: Channel,
    /// Its template.
    pub template: TemplateId,
    /// Its state.
    pub state: MessageState,
    /// The reason of its state.
    pub reason: Option<ReasonCode>,
    /// What the message does without a permit.
    pub policy: PermitPolicy,
    /// The message may use only the permit that came with it.
    pub own_permit: bool,
    /// When the message is to go out.
    pub send_at: UnixMillis,
    /// When the message came to its state.
    pub updated_at: UnixMillis,
    /// WeChat's last errcode for it.
    pub errcode: Option<Errcode>,
}

impl Subject {
    /// The moment at which the message lacked a permit: `now` for a message that waits. `None`: it did not lack a permit.
    pub fn moment(&self, now: UnixMillis) -> Option<UnixMillis> {
        match (self.state, self.reason?) {
            (MessageState::Waiting, ReasonCode::NoPermit) => Some(now),
            (MessageState::Failed, ReasonCode::NoPermit) => Some(self.updated_at),
            // The message may have waited for a permit until its deadline. A message that was tried had a permit, unless
            // WeChat refused the permit.
            (MessageState::Expired, ReasonCode::DeadlinePassed)
                if self.policy == PermitPolicy::Wait
                    && !self.own_permit
                    && self.errcode.is_none_or(is_permit_refusal) =>
            {
                Some(self.updated_at)
            }
            _ => None,
        }
    }
}

/// What a message of the user, or the user, did with a permit.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    /// The permit.
    pub permit: PermitId,
    /// The message; `None`: the user.
    pub message: Option<MessageId>,
    /// What happened.
    pub change: PermitChange,
}

/// What may happen to a permit.
#[derive(Debug, Clone, Copy)]
pub enum PermitChange {
    /// The message spent a unit.
    Spent {
        /// When the attempt that spent it began.
        from: UnixMillis,
        /// When the outcome of that attempt was stored.
        at: UnixMillis,
    },
    /// The message keeps a unit now: it is in flight, scheduled with its permit, or of unknown outcome.
    Keeps {
        /// Since when, at the latest.
        from: UnixMillis,
        /// The unit is kept by the stored count `held`; `false`: only by a message in flight.
        held: bool,
        /// The state of that message.
        state: MessageState,
    },
    /// WeChat answered the message that the permit is void; the units left were revoked.
    FoundVoid {
        /// When.
        at: UnixMillis,
        /// WeChat's errcode.
        errcode: Errcode,
    },
    /// WeChat reported that the user withdrew the right; the units left were revoked.
    Withdrawn {
        /// When.
        at: UnixMillis,
    },
}
