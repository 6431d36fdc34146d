//! Since when the gateway has received WeChat's pushes without a break, and the messages that are watched for one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Channel, MessageId};
use hongyan_store::types::Claimed;
use hongyan_wechat::AppId;
use tokio::sync::Notify;

/// The most messages that are watched; of what is more, operators are told. Some megabytes.
const MAX_WATCHED: usize = 50_000;

/// What silence is measured with. Clones share everything.
#[derive(Clone, Default)]
pub struct Silence(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Nothing can have been missed since.
    since: UnixMillis,
    /// Messages of unknown outcome, by when to look at them.
    watched: BTreeMap<(UnixMillis, MessageId), Lost>,
}

/// A message whose answer was lost.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    pub(crate) appid: AppId,
    pub(crate) attempt: u32,
    /// When the request was about to be written.
    pub(crate) attempted_at: UnixMillis,
    /// When its answer was given up.
    pub(crate) given_up_at: UnixMillis,
}

impl Silence {
    /// Listening begins, or may have been broken off until now.
    pub fn may_have_missed(&self, now: UnixMillis) {
        let mut state = self.state();
        state.since = state.since.max(now);
        // Reports about all of them may be among what was missed.
        state.watched.clear();
    }

    /// A message is `unknown` for want of an answer. One that WeChat would report about is watched.
    pub fn lost(&self, claimed: &Claimed, now: UnixMillis) {
        if claimed.channel != Channel::Subscribe {
            return;
        }
        let mut kept = self.state();
        if claimed.claimed_at < kept.since {
            return;
        }
        if kept.watched.len() >= MAX_WATCHED {
            tracing::warn!(message = %claimed.id, "too many unknown messages are watched; an operator must resolve this message");
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

    /// When to look at the first.
    pub(crate) fn next_look(&self) -> UnixMillis {
        self.state().watched.first_key_value().map_or(UnixMillis::MAX, |((at, _), _)| *at)
    }

    /// Those to look at now; they are watched no more.
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

    /// Since when nothing can have been missed.
    pub(crate) fn since(&self) -> UnixMillis {
        self.state().since
    }

    /// Waits until one more is watched.
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
            channel: Channel::Subscribe,
            body: Arc::from(&b"{}"[..]),
            attempt: 1,
            claimed_at: at,
            permit: None,
            on_unknown: OnUnknown::Hold,
            maybe_delivered: false,
            epoch: Epoch(1),
            is_probe: false,
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
        assert!(!is_watched(&legacy), "WeChat reports nothing about these here");
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
        assert_eq!(silence.next_look(), UnixMillis::MAX, "nor what was just being looked at");
    }
}
