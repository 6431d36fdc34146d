//! Since when the gateway has received WeChat's pushes without a gap, and the messages whose lack of a push is watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Channel, MessageId};
use hongyan_store::types::Claimed;
use hongyan_wechat::AppId;
use tokio::sync::Notify;

/// The most messages that are watched, which take some megabytes. Operators have to resolve further messages.
const MAX_WATCHED: usize = 50_000;

/// The state that silence is measured with. Clones share everything.
#[derive(Clone, Default)]
pub struct Silence(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Pushes have been received without a gap since then.
    since: UnixMillis,
    /// Messages of unknown outcome, by the moment of their next check.
    watched: BTreeMap<(UnixMillis, MessageId), Lost>,
}

/// A message whose answer was lost.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    pub(crate) appid: AppId,
    pub(crate) attempt: u32,
    /// When the request was about to be written.
    pub(crate) attempted_at: UnixMillis,
    /// When the gateway stopped waiting for the answer.
    pub(crate) given_up_at: UnixMillis,
}

impl Silence {
    /// Receiving begins, or may have been interrupted until now.
    pub fn may_have_missed(&self, now: UnixMillis) {
        let mut state = self.state();
        state.since = state.since.max(now);
        // The pushes about all watched messages may have been missed.
        state.watched.clear();
    }

    /// A message became `unknown` because its answer was lost. The message is watched if WeChat would push an event about
    /// it.
    pub fn lost(&self, claimed: &Claimed, now: UnixMillis) {
        if claimed.channel != Channel::Subscribe {
            return;
        }
        let mut kept = self.state();
        if claimed.claimed_at < kept.since {
            return;
        }
        if kept.watched.len() >= MAX_WATCHED {
            tracing::warn!(message_id = %claimed.id, "too many unknown messages are watched; an operator must resolve this message");
            return;
        }
        let lost = Lost {
            appid: claimed.appid.clone(),
            attempt: claimed.attempt,
            attempted_at: claimed.claimed_at,
            given_up_at: now,
        };
        kept.watched.insert((now, claimed.id), lost);
        drop(kept);
        self.0.changed.notify_one();
    }

    /// When to check the next message.
    pub(crate) fn next_look(&self) -> UnixMillis {
        self.state().watched.first_key_value().map_or(UnixMillis::MAX, |((at, _), _)| *at)
    }

    /// The messages to check now. They are no longer watched.
    pub(crate) fn take_due(&self, now: UnixMillis) -> Vec<(MessageId, Lost)> {
        let mut state = self.state();
        let mut due = Vec::new();
        while let Some(first) = state.watched.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, id), lost) = first.remove_entry();
            due.push((id, lost));
        }
        due
    }

    /// To be looked at again, unless listening was broken off meanwhile.
    pub(crate) fn put_back(&self, id: MessageId, lost: Lost, at: UnixMillis) {
        let mut state = self.state();
        if lost.attempted_at >= state.since {
            state.watched.insert((at, id), lost);
        }
    }

    /// Since when pushes have been received without a gap.
    pub(crate) fn since(&self) -> UnixMillis {
        self.state().since
    }

    /// Waits until another message is watched.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::{Lane, OnUnknown};
    use hongyan_store::types::Epoch;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    fn claimed(at: UnixMillis) -> Claimed {
        Claimed {
            id: IdMaker::new().message(Lane::new(0).unwrap(), at),
            appid: "wx1".parse().unwrap(),
            openid: "o1".parse().unwrap(),
            template: "t1".parse().unwrap(),
            due_at: at,
            channel: Channel::Subscribe,
            body: Arc::from(&b"{}"[..]),
            attempt: 1,
            claimed_at: at,
            permit: None,
            on_unknown: OnUnknown::Hold,
            maybe_delivered: false,
            epoch: Epoch(1),
            is_probe: false,
            origin: hongyan_store::types::Origin::default(),
        }
    }

    fn later(seconds: u64) -> UnixMillis {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn only_what_was_attempted_while_somebody_listened_is_watched() {
        let silence = Silence::default();
        silence.may_have_missed(NOW);
        let is_watched = |claimed: &Claimed| {
            silence.lost(claimed, later(1));
            !silence.take_due(later(1)).is_empty()
        };
        assert!(is_watched(&claimed(NOW)));
        assert!(!is_watched(&claimed(NOW.minus(Duration::from_millis(1)))));
        let legacy = Claimed { channel: Channel::Legacy, ..claimed(NOW) };
        assert!(!is_watched(&legacy), "WeChat pushes no event about legacy messages");
    }

    #[test]
    fn a_break_forgets_all_that_was_watched() {
        let silence = Silence::default();
        let lost = claimed(NOW);
        silence.lost(&lost, later(1));
        let (id, watched) = silence.take_due(later(1)).remove(0);
        silence.put_back(id, watched.clone(), later(60));
        assert_eq!((silence.next_look(), silence.take_due(later(59)).len()), (later(60), 0));
        silence.may_have_missed(later(2));
        assert_eq!(silence.next_look(), UnixMillis::MAX);
        silence.put_back(id, watched, later(60));
        assert_eq!(
            silence.next_look(),
            UnixMillis::MAX,
            "a message whose check was under way is not watched either"
        );
    }
}
