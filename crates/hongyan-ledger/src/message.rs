//! The life of a message.
//!
//! ```text
//! scheduled ─▶ ready ─▶ sending ─▶ sent ─▶ delivered | refused   (WeChat's sent event)
//!                │         ├─▶ ready      (again later)
//!                ▼         ├─▶ waiting    (its permit was dead and there is no other)
//!             waiting      ├─▶ failed
//!                          └─▶ unknown ─▶ sent | ready | failed | expired   (an operator finds out)
//!                                      └─▶ delivered | refused              (WeChat's sent event)
//! any state before sending ─▶ cancelled | expired | failed
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::enums::{codes, names};

/// Where a message is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// The message's `send_at` lies ahead.
    Scheduled,
    /// The message is sent as soon as its turn comes.
    Ready,
    /// No permit serves the message; it waits for a permit until its deadline.
    Waiting,
    /// A request to WeChat is about to be written or was written, and its outcome is not stored yet.
    Sending,
    /// WeChat took the message.
    Sent,
    /// WeChat reported that the user's device has it.
    Delivered,
    /// WeChat took the message, and reported later that the user did not get it.
    Refused,
    /// The message will not be sent; the reason says why.
    Failed,
    /// The request was written and no answer came, so nobody knows whether the user has the message. An event, an operator
    /// or the policy settles it.
    Unknown,
    /// The caller withdrew the message before it was sent.
    Cancelled,
    /// The deadline passed before the message could be sent.
    Expired,
}

names!(MessageState {
    Scheduled: "scheduled",
    Ready: "ready",
    Waiting: "waiting",
    Sending: "sending",
    Sent: "sent",
    Delivered: "delivered",
    Refused: "refused",
    Failed: "failed",
    Unknown: "unknown",
    Cancelled: "cancelled",
    Expired: "expired"
});

codes!(MessageState {
    Scheduled: 0,
    Ready: 1,
    Waiting: 2,
    Sending: 3,
    Sent: 4,
    Delivered: 5,
    Refused: 6,
    Failed: 7,
    Unknown: 8,
    Cancelled: 9,
    Expired: 10
});

impl MessageState {
    /// Whether no other state can follow.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Refused | Self::Failed | Self::Cancelled | Self::Expired)
    }

    /// Whether the gateway has nothing more to do for the message on its own. A caller who waits is answered then. (`sent`
    /// may still become `delivered` or `refused`; `unknown` may still be resolved.)
    pub const fn is_settled(self) -> bool {
        self.is_final() || matches!(self, Self::Sent | Self::Unknown)
    }

    /// Whether the message is open and not in flight.
    pub const fn is_cancellable(self) -> bool {
        matches!(self, Self::Scheduled | Self::Ready | Self::Waiting)
    }

    /// Whether the caller or a newer message may still withdraw this message: it certainly was not sent. If an answer was
    /// lost (`maybe_delivered`), the user may have a copy.
    pub const fn is_withdrawable(self, maybe_delivered: bool) -> bool {
        self.is_cancellable() && !maybe_delivered
    }

    /// Whether a message may go from this state to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        use MessageState as S;
        match self {
            S::Scheduled | S::Ready | S::Waiting => matches!(
                next,
                // The deadline of a ready message passed, and the user may have it already: its outcome is unknown again.
                S::Ready | S::Waiting | S::Sending | S::Failed | S::Cancelled | S::Expired | S::Unknown
            ),
            S::Sending => {
                matches!(next, S::Ready | S::Waiting | S::Sent | S::Failed | S::Unknown | S::Expired)
            }
            S::Unknown => {
                matches!(next, S::Sent | S::Failed | S::Ready | S::Expired | S::Delivered | S::Refused)
            }
            S::Sent => matches!(next, S::Delivered | S::Refused),
            S::Delivered | S::Refused | S::Failed | S::Cancelled | S::Expired => false,
        }
    }
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of WeChat's two calls a message goes out by. The template decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// `message/wxopen/template/send`, which needs a form id or prepay id.
    Legacy,
    /// `message/subscribe/send`, which needs the user's subscription.
    Subscribe,
}

codes!(Channel { Legacy: 0, Subscribe: 1 });

/// What to do when no permit serves a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermitPolicy {
    /// Fail at once.
    #[default]
    Require,
    /// Keep the message until a permit is granted or the deadline passes.
    Wait,
    /// Send without a permit of the ledger. WeChat may know of a right that the ledger does not know.
    Try,
}

codes!(PermitPolicy { Require: 0, Wait: 1, Try: 2 });

/// What to do when a request was written, no answer came, and repeating the request is not safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Never risk a second copy: keep the message as `unknown` until an event or an operator settles it.
    #[default]
    Hold,
    /// Never risk a lost message: send again, although the user may see it twice.
    Resend,
}

codes!(OnUnknown { Hold: 0, Resend: 1 });

/// Which of a user's waiting messages a new permit serves first. The order in which *ready* messages are sent does not
/// depend on this: it is always by `send_at`, then by acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingOrder {
    /// The message with the earliest `send_at`.
    #[default]
    OldestFirst,
    /// The message with the latest `send_at`: for news that age.
    NewestFirst,
}

codes!(WaitingOrder { OldestFirst: 0, NewestFirst: 1 });

/// Why a message is in its state, where the state alone does not say it. Stable names: API clients branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// No permit serves the message.
    NoPermit,
    /// WeChat refused the message for good; the errcode says why.
    WechatRefused,
    /// WeChat could not be reached, or was busy; the message is tried again.
    WechatUnavailable,
    /// No answer came after the request was written.
    NoAnswer,
    /// The app is paused; nothing is sent until the pause ends.
    AppPaused,
    /// WeChat is working on another message to this user.
    UserBusy,
    /// The deadline passed.
    DeadlinePassed,
    /// The caller withdrew the message.
    Cancelled,
    /// A newer message with the same collapse key took the place of this message.
    Replaced,
    /// No answer had come. An operator found that the message was not sent, and gave it up.
    GivenUp,
    /// The database was restored from a backup in which the message was still to be sent; it may have gone out since.
    Restored,
    /// WeChat took the message, and reported later that the user did not get it.
    NotDelivered,
}

names!(ReasonCode {
    NoPermit: "no_permit",
    WechatRefused: "wechat_refused",
    WechatUnavailable: "wechat_unavailable",
    NoAnswer: "no_answer",
    AppPaused: "app_paused",
    UserBusy: "user_busy",
    DeadlinePassed: "deadline_passed",
    Cancelled: "cancelled",
    Replaced: "replaced",
    GivenUp: "given_up",
    Restored: "restored",
    NotDelivered: "not_delivered"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_state_has_no_way_out_and_every_other_has_one() {
        for state in MessageState::ALL {
            let leaves = MessageState::ALL.iter().any(|&next| state.may_become(next));
            assert_eq!(leaves, !state.is_final(), "{state}");
        }
    }

    #[test]
    fn codes_and_names_read_back() {
        for state in MessageState::ALL {
            assert_eq!(MessageState::from_code(state.code()), Some(state));
            assert_eq!(MessageState::from_name(state.name()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        for reason in ReasonCode::ALL {
            assert_eq!(ReasonCode::from_name(reason.name()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
        for order in [WaitingOrder::OldestFirst, WaitingOrder::NewestFirst] {
            assert_eq!(WaitingOrder::from_code(order.code()), Some(order));
        }
    }
}
