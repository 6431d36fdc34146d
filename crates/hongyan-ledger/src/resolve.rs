//! What becomes of a message of unknown outcome when somebody has found out whether the user has it.
//!
//! `settle` decides by WeChat's answer; here an operator (or an event) answers in its place. With that the doubt is over:
//! the message is either where an errcode 0 would have taken it, or free to begin again.

use hongyan_clock::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::enums::codes;
use crate::message::{MessageState, ReasonCode};
use crate::units::UnitEffect;

/// What to do with a message that turned out not to have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Send it, by the permit that it kept, unless its deadline has passed.
    #[default]
    Send,
    /// Give it up.
    Fail,
}

/// Who found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// An operator.
    #[default]
    Operator,
    /// WeChat's event about the message.
    Event,
    /// The app is set to wait some time for such an event, and no event came.
    Silence,
}

codes!(Witness { Operator: 0, Event: 1, Silence: 2 });

/// What was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The user has the message.
    Sent,
    /// The user does not have the message.
    NotSent {
        /// What to do with the message.
        then: Then,
    },
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] =
        [Self::Sent, Self::NotSent { then: Then::Send }, Self::NotSent { then: Then::Fail }];

    /// The number that stands for this verdict in a stored row. Never renumber.
    pub const fn code(self) -> u8 {
        match self {
            Self::Sent => 0,
            Self::NotSent { then: Then::Send } => 1,
            Self::NotSent { then: Then::Fail } => 2,
        }
    }

    /// The verdict that a stored number stands for.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.code() == code)
    }
}

/// What a verdict changes, all in one commit. The doubt (`maybe_delivered`) is over in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// The message's new state.
    pub state: MessageState,
    /// The message's new reason, if its state needs a reason.
    pub reason: Option<ReasonCode>,
    /// What becomes of the unit that the message kept; meaningless if it kept no unit.
    pub unit: UnitEffect,
}

/// Decides about a message that is `unknown`.
pub fn resolve(verdict: Verdict, deadline: Option<UnixMillis>, now: UnixMillis) -> Resolution {
    let (state, reason, unit) = match verdict {
        Verdict::Sent => (MessageState::Sent, None, UnitEffect::Spend),
        Verdict::NotSent { then: Then::Fail } => {
            (MessageState::Failed, Some(ReasonCode::GivenUp), UnitEffect::Release)
        }
        Verdict::NotSent { then: Then::Send } if deadline.is_some_and(|end| now >= end) => {
            (MessageState::Expired, Some(ReasonCode::DeadlinePassed), UnitEffect::Release)
        }
        Verdict::NotSent { then: Then::Send } => (MessageState::Ready, None, UnitEffect::Hold),
    };
    Resolution { state, reason, unit }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    fn decide(verdict: Verdict, deadline: Option<UnixMillis>) -> (MessageState, UnitEffect) {
        let resolution = resolve(verdict, deadline, NOW);
        (resolution.state, resolution.unit)
    }

    #[test]
    fn what_was_sent_has_spent_its_unit_however_late_that_is_found_out() {
        for deadline in [None, Some(NOW)] {
            assert_eq!(decide(Verdict::Sent, deadline), (MessageState::Sent, UnitEffect::Spend));
        }
    }

    #[test]
    fn what_was_not_sent_goes_on_with_its_unit_until_its_deadline() {
        let send = Verdict::NotSent { then: Then::Send };
        assert_eq!(decide(send, None), (MessageState::Ready, UnitEffect::Hold));
        assert_eq!(decide(send, Some(NOW.plus(std::time::Duration::from_millis(1)))).0, MessageState::Ready);
        assert_eq!(decide(send, Some(NOW)), (MessageState::Expired, UnitEffect::Release));
    }

    #[test]
    fn what_is_given_up_frees_its_unit() {
        let fail = Verdict::NotSent { then: Then::Fail };
        for deadline in [None, Some(NOW)] {
            assert_eq!(decide(fail, deadline), (MessageState::Failed, UnitEffect::Release));
        }
        assert_eq!(resolve(fail, None, NOW).reason, Some(ReasonCode::GivenUp));
    }

    #[test]
    fn every_verdict_leads_where_an_unknown_message_may_go_and_reads_back() {
        for verdict in Verdict::ALL {
            for deadline in [None, Some(NOW)] {
                let state = resolve(verdict, deadline, NOW).state;
                assert!(MessageState::Unknown.may_become(state), "{verdict:?}: {state}");
            }
            assert_eq!(Verdict::from_code(verdict.code()), Some(verdict));
        }
        for witness in [Witness::Operator, Witness::Event, Witness::Silence] {
            assert_eq!(Witness::from_code(witness.code()), Some(witness));
        }
    }
}
