//! What is asked about: a message that lacked a permit, and what was done with the user's permits.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, TemplateId};

use crate::ids::{MessageId, PermitId};
use crate::message::{Channel, MessageState, PermitPolicy, ReasonCode};
use crate::settle::is_permit_refusal;

/// A message, and all about it that tells whether and when it lacked a permit.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its id.
    pub id: MessageId,
    /// Which call.
    pub channel: Channel,
    /// Its template.
    pub template: TemplateId,
    /// Where it is.
    pub state: MessageState,
    /// Why.
    pub reason: Option<ReasonCode>,
    /// What it does without a permit.
    pub policy: PermitPolicy,
    /// It may use the permit that came with it and no other.
    pub own_permit: bool,
    /// When it is to go out.
    pub send_at: UnixMillis,
    /// When it came to where it is.
    pub updated_at: UnixMillis,
    /// WeChat's last word on it.
    pub errcode: Option<Errcode>,
}

impl Subject {
    /// The moment at which it lacked a permit: for one that waits, `now`. `None`: that is not what became of it.
    pub fn moment(&self, now: UnixMillis) -> Option<UnixMillis> {
        match (self.state, self.reason?) {
            (MessageState::Waiting, ReasonCode::NoPermit) => Some(now),
            (MessageState::Failed, ReasonCode::NoPermit) => Some(self.updated_at),
            // It may have waited for a permit until its deadline. What was tried had one, unless that was the trouble.
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

/// What one of the user's messages, or the user, did with a permit.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    /// Which permit.
    pub permit: PermitId,
    /// Which message; `None`: the user.
    pub message: Option<MessageId>,
    /// What.
    pub change: PermitChange,
}

/// What may happen to a permit.
#[derive(Debug, Clone, Copy)]
pub enum PermitChange {
    /// It spent a unit.
    Spent {
        /// When the attempt that spent it began.
        from: UnixMillis,
        /// When that was known.
        at: UnixMillis,
    },
    /// It keeps a unit now: it is in flight, scheduled with its permit, or of unknown outcome.
    Keeps {
        /// Since when, at the latest.
        from: UnixMillis,
        /// By a stored count; `false`: only by being in flight.
        held: bool,
        /// Where that message is.
        state: MessageState,
    },
    /// WeChat told it that the permit is void; what was left was revoked.
    FoundVoid {
        /// When.
        at: UnixMillis,
        /// In which words.
        errcode: Errcode,
    },
    /// The user withdrew it, WeChat reported; what was left was revoked.
    Withdrawn {
        /// When.
        at: UnixMillis,
    },
}
