//! A user's answers to `wx.requestSubscribeMessage`, and the sends that they allow.

use hongyan_wechat::Errcode;
use serde::{Deserialize, Serialize};

use super::templates::Family;

/// The user's answer for one template, in WeChat's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answered {
    /// Yes.
    #[default]
    Accept,
    /// Yes, with a sound.
    AcceptWithAudio,
    /// Yes, with an alert.
    AcceptWithAlert,
    /// Yes, pushed in any case.
    AcceptWithForcePush,
    /// No.
    Reject,
    /// Not asked: WeChat has banned the template.
    Ban,
    /// Not asked: WeChat filtered the template, for example because two have the same title.
    Filter,
}

impl Answered {
    /// WeChat's word.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Accept => "accept",
            Self::AcceptWithAudio => "acceptWithAudio",
            Self::AcceptWithAlert => "acceptWithAlert",
            Self::AcceptWithForcePush => "acceptWithForcePush",
            Self::Reject => "reject",
            Self::Ban => "ban",
            Self::Filter => "filter",
        }
        .to_owned()
    }
}

/// What a user allows for one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Subscription {
    /// How many messages may still be sent; for a long-term template any number other than zero means no limit.
    pub(crate) units: u32,
}

impl Subscription {
    /// Records the user's answer. An acceptance of a one-time template allows one more message; a refusal revokes
    /// everything allowed before; without an answer nothing changes.
    pub(crate) fn answer(&mut self, family: Family, answered: Answered) {
        match answered {
            Answered::Accept
            | Answered::AcceptWithAudio
            | Answered::AcceptWithAlert
            | Answered::AcceptWithForcePush => {
                self.units = if family == Family::LongTerm { 1 } else { self.units.saturating_add(1) };
            }
            Answered::Reject => self.units = 0,
            Answered::Ban | Answered::Filter => {}
        }
    }

    /// Uses one message.
    pub(crate) fn take(&mut self, family: Family) -> Result<(), Errcode> {
        if self.units == 0 {
            return Err(Errcode::NOT_ACCEPTED);
        }
        if family != Family::LongTerm {
            self.units -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_yes_to_a_one_time_template_is_one_message() {
        let mut subscription = Subscription::default();
        assert_eq!(subscription.take(Family::Once), Err(Errcode::NOT_ACCEPTED));
        subscription.answer(Family::Once, Answered::Accept);
        subscription.answer(Family::Once, Answered::AcceptWithAudio);
        assert_eq!(subscription.take(Family::Once), Ok(()));
        assert_eq!(subscription.take(Family::Once), Ok(()));
        assert_eq!(subscription.take(Family::Once), Err(Errcode::NOT_ACCEPTED));
    }

    #[test]
    fn a_long_term_template_sends_until_the_user_says_no() {
        let mut subscription = Subscription::default();
        subscription.answer(Family::LongTerm, Answered::AcceptWithForcePush);
        assert!((0..10).all(|_| subscription.take(Family::LongTerm).is_ok()));
        subscription.answer(Family::LongTerm, Answered::Reject);
        assert_eq!(subscription.take(Family::LongTerm), Err(Errcode::NOT_ACCEPTED));
    }

    #[test]
    fn a_banned_or_filtered_template_changes_nothing() {
        let mut subscription = Subscription { units: 2 };
        subscription.answer(Family::Once, Answered::Ban);
        subscription.answer(Family::Once, Answered::Filter);
        assert_eq!(subscription.units, 2);
    }

    #[test]
    fn answers_are_written_in_wechats_words() {
        for word in
            ["accept", "acceptWithAudio", "acceptWithAlert", "acceptWithForcePush", "reject", "ban", "filter"]
        {
            let answered: Answered = serde_json::from_value(word.into()).unwrap();
            assert_eq!(serde_json::to_value(answered).unwrap(), word);
            assert_eq!(answered.word(), word);
        }
    }
}
