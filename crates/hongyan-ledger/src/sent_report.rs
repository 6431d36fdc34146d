//! Which message a report of WeChat's is about.
//!
//! After a send WeChat pushes an event with the result. The event names the message by the msgid that the answer to the send
//! had. If there was no answer, or an answer without a msgid, the message is found by user, template and order: WeChat works
//! on one message of a user at a time.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{Errcode, TemplateId};

use crate::ids::MessageId;
use crate::message::{MessageState, ReasonCode};
use crate::retry::doubled;

/// For how long an event about a message whose answer is not stored yet is looked at again. WeChat answers within seconds; a
/// message that is `sending` for longer than this waits for a store that fails.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The first pause before an event is looked at again. The pause doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What WeChat reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentReport {
    /// The template of the message.
    pub template: TemplateId,
    /// WeChat's number of the message.
    pub msgid: Option<i64>,
    /// 0, or the errcode that says why the user did not get it.
    pub error_code: Errcode,
    /// The same in WeChat's words.
    pub error_status: String,
}

impl SentReport {
    /// The state and reason that the report gives the message.
    pub fn state(&self) -> (MessageState, Option<ReasonCode>) {
        if self.error_code == Errcode::OK {
            (MessageState::Delivered, None)
        } else {
            (MessageState::Refused, Some(ReasonCode::NotDelivered))
        }
    }
}

/// A message of the user that the report may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The message.
    pub id: MessageId,
    /// Its template.
    pub template: TemplateId,
    /// Its state.
    pub state: MessageState,
    /// The msgid in the answer to its send.
    pub msgid: Option<i64>,
    /// When its last attempt began.
    pub attempted_at: UnixMillis,
}

/// Which message a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This message; the report moves it.
    Message(MessageId),
    /// This message, and it has its final state already.
    Ended(MessageId),
    /// It cannot be known yet: the answer to a send is not stored.
    Wait,
    /// No message. Somebody else sent it, or the message was removed as too old.
    Nobody,
}

/// Decides which message a report is about. `received_at`: when the event came, by the same clock as `attempted_at`.
/// `may_wait`: the event may be looked at again later.
///
/// A message is written as `sending` before its request is written, so its row is always there when its event comes. While a
/// message is `sending`, the event may be about this message or about an earlier one, and the stored answer will tell. So a
/// report waits for that answer first.
pub fn choose(
    report: &SentReport,
    candidates: &[Candidate],
    received_at: UnixMillis,
    may_wait: bool,
) -> Choice {
    let named = candidates.iter().find(|candidate| report.msgid.is_some() && candidate.msgid == report.msgid);
    if let Some(named) = named {
        return match named.state {
            MessageState::Sent | MessageState::Unknown => Choice::Message(named.id),
            _ => Choice::Ended(named.id),
        };
    }
    let possible = |state| {
        candidates.iter().filter(move |candidate| {
            candidate.state == state
                && candidate.template == report.template
                // If both have a number, the numbers differ here: the report is about another message.
                && (candidate.msgid.is_none() || report.msgid.is_none())
                && candidate.attempted_at <= received_at
        })
    };
    if may_wait && possible(MessageState::Sending).next().is_some() {
        return Choice::Wait;
    }
    let oldest = |state| possible(state).min_by_key(|candidate| (candidate.attempted_at, candidate.id));
    match oldest(MessageState::Unknown).or_else(|| oldest(MessageState::Sent)) {
        Some(candidate) => Choice::Message(candidate.id),
        None => Choice::Nobody,
    }
}

/// When to look again at an event that came at `received_at` and was looked at `tries` times; `None`: never again.
pub fn look_again(tries: u32, received_at: UnixMillis, now: UnixMillis) -> Option<UnixMillis> {
    let pause = doubled(FIRST_PAUSE, tries, LONGEST_PAUSE);
    (now.since(received_at) < PATIENCE).then(|| now.plus(pause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdMaker;
    use crate::lane::Lane;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    fn report(msgid: Option<i64>) -> SentReport {
        SentReport {
            template: "t".parse().unwrap(),
            msgid,
            error_code: Errcode::OK,
            error_status: "success".into(),
        }
    }

    /// Messages of one user, oldest first, a second apart.
    fn candidates(of: &[(MessageState, Option<i64>)]) -> Vec<Candidate> {
        let (ids, lane) = (IdMaker::new(), Lane::new(1).unwrap());
        of.iter()
            .zip(0..)
            .map(|(&(state, msgid), n)| {
                let attempted_at = UnixMillis(NOW.0 - 60_000 + n * 1000);
                let id = ids.message(lane, attempted_at);
                Candidate { id, template: "t".parse().unwrap(), state, msgid, attempted_at }
            })
            .collect()
    }

    use MessageState as S;

    fn chosen(report: &SentReport, candidates: &[Candidate]) -> Option<usize> {
        match choose(report, candidates, NOW, true) {
            Choice::Message(id) => candidates.iter().position(|candidate| candidate.id == id),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_number_names_its_message_whatever_else_there_is() {
        let messages =
            candidates(&[(S::Unknown, None), (S::Sent, Some(1)), (S::Sent, Some(2)), (S::Sending, None)]);
        assert_eq!(chosen(&report(Some(2)), &messages), Some(2));
        let ended = candidates(&[(S::Delivered, Some(1)), (S::Unknown, None)]);
        assert_eq!(choose(&report(Some(1)), &ended, NOW, true), Choice::Ended(ended[0].id));
    }

    #[test]
    fn without_a_number_the_oldest_in_doubt_comes_first_then_the_oldest_sent() {
        let messages = candidates(&[(S::Sent, None), (S::Unknown, None), (S::Unknown, None)]);
        assert_eq!(chosen(&report(Some(9)), &messages), Some(1));
        assert_eq!(chosen(&report(None), &messages), Some(1));
        let messages =
            candidates(&[(S::Delivered, None), (S::Sent, Some(1)), (S::Sent, None), (S::Sent, None)]);
        assert_eq!(chosen(&report(Some(9)), &messages), Some(2), "the one with a number has another");
        assert_eq!(chosen(&report(None), &messages), Some(1), "an event without a number may be about any");
    }

    #[test]
    fn while_an_answer_is_awaited_it_is_too_early_to_choose() {
        let messages = candidates(&[(S::Unknown, None), (S::Sending, None)]);
        assert_eq!(choose(&report(Some(9)), &messages, NOW, true), Choice::Wait);
        assert_eq!(choose(&report(Some(9)), &messages, NOW, false), Choice::Message(messages[0].id));
        let messages = candidates(&[(S::Sending, None)]);
        assert_eq!(choose(&report(Some(9)), &messages, NOW, false), Choice::Nobody);
    }

    #[test]
    fn what_was_sent_after_the_event_came_or_by_another_template_is_not_meant() {
        let mut messages = candidates(&[(S::Unknown, None)]);
        let before = messages[0].attempted_at.minus(Duration::from_millis(1));
        assert_eq!(choose(&report(Some(9)), &messages, before, true), Choice::Nobody);
        messages[0].template = "another".parse().unwrap();
        assert_eq!(choose(&report(Some(9)), &messages, NOW, true), Choice::Nobody);
    }

    #[test]
    fn patience_ends() {
        assert_eq!(look_again(0, NOW, NOW), Some(NOW.plus(FIRST_PAUSE)));
        assert_eq!(look_again(40, NOW, NOW), Some(NOW.plus(LONGEST_PAUSE)));
        assert_eq!(look_again(0, NOW, NOW.plus(PATIENCE)), None);
    }

    #[test]
    fn a_report_leads_where_a_message_may_go() {
        let refused = SentReport { error_code: Errcode(43_101), ..report(None) };
        for (state, _) in [report(None).state(), refused.state()] {
            assert!(S::Sent.may_become(state) && S::Unknown.may_become(state));
        }
        assert_eq!(refused.state().1, Some(ReasonCode::NotDelivered));
    }
}
