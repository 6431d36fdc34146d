//! What it means that no event came.
//!
//! WeChat reports of every subscribe message that it took what became of it. So where an answer was lost and no such
//! report comes, the message was most likely not taken. An app may say after how much silence that is certain enough for
//! it, and then the message goes out again. It is a bet, and the app's to make: the default is not to.
//!
//! Silence counts only if nothing can have been missed. So it is kept in memory since when this process has listened
//! without a break, and an attempt from before that is left to operators: a report about it may have come while nobody
//! was there. A message whose answer was lost *because* the process ended is always such a one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::resolve::{Then, Verdict, Witness};
use hongyan_ledger::{Channel, MessageId};
use hongyan_store::types::{Claimed, Resolved};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::AppId;
use tokio::sync::Notify;

use crate::apps::Apps;
use crate::intake::Intake;
use crate::stop::Stop;

/// The app's callback counts as working if a report about any message came within this.
const WORKS_FOR: Duration = Duration::from_secs(24 * 3_600);

/// When to look again at a message whose app is not set to send again, or of whose callback nothing was heard lately.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// When to ask a failing store again, and when to look again while an event is still to be worked on.
const SOON: Duration = Duration::from_secs(1);

/// A message is watched for this long: the longest silence that can be set, and a day.
const WATCHED_FOR: Duration = Duration::from_secs(8 * 86_400);

/// The most messages that are watched; of what is more, operators are told. Some megabytes.
const MAX_WATCHED: usize = 50_000;

/// How often it is found out whether the process stood still.
const BEAT: Duration = Duration::from_secs(2);

/// Two beats that are further apart than this: the process or the machine stood still. WeChat repeats a push three
/// times, five seconds apart; one that was there again by then has missed nothing.
const STANDSTILL: Duration = Duration::from_secs(15);

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
struct Lost {
    appid: AppId,
    attempt: u32,
    /// When the request was about to be written.
    attempted_at: UnixMillis,
    /// When its answer was given up.
    given_up_at: UnixMillis,
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
            tracing::warn!(message = %claimed.id, "too many messages are unknown to watch another; it is left to operators");
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

    fn next_look(&self) -> UnixMillis {
        self.state().watched.first_key_value().map_or(UnixMillis::MAX, |((at, _), _)| *at)
    }

    fn take_due(&self, now: UnixMillis) -> Vec<(MessageId, Lost)> {
        let mut state = self.state();
        let mut due = Vec::new();
        while let Some(first) = state.watched.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, id), lost) = first.remove_entry();
            due.push((id, lost));
        }
        due
    }

    /// To be looked at again, unless listening was broken off meanwhile.
    fn put_back(&self, id: MessageId, lost: Lost, at: UnixMillis) {
        let mut state = self.state();
        if lost.attempted_at >= state.since {
            state.watched.insert((at, id), lost);
        }
    }

    fn since(&self) -> UnixMillis {
        self.state().since
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends again what silence says was not sent.
pub struct SilenceWatch {
    /// What is measured.
    pub silence: Silence,
    /// Where it is written when an app's callback was heard of.
    pub store: Arc<dyn Store>,
    /// How long each app wants to wait.
    pub apps: Apps,
    /// Resolves, as for an operator.
    pub intake: Intake,
    /// The time.
    pub clock: Clock,
}

impl SilenceWatch {
    /// Runs until it is told to stop.
    pub async fn run(self, stop: Stop) {
        tokio::select! {
            () = self.watch_for_ever() => {}
            () = self.beat_for_ever() => {}
            () = stop.stopping() => {}
        }
    }

    async fn watch_for_ever(&self) {
        loop {
            tokio::select! {
                () = self.clock.sleep_until(self.silence.next_look()) => {}
                () = self.silence.0.changed.notified() => {}
            }
            for (id, lost) in self.silence.take_due(self.clock.now()) {
                if let Some(at) = self.look(id, &lost).await {
                    self.silence.put_back(id, lost, at);
                }
            }
        }
    }

    /// When to look again; `None`: there is nothing more to find out.
    async fn look(&self, id: MessageId, lost: &Lost) -> Option<UnixMillis> {
        let now = self.clock.now();
        if lost.attempted_at < self.silence.since() || now.since(lost.given_up_at) > WATCHED_FOR {
            return None;
        }
        let app = self.apps.get(&lost.appid)?;
        app.record.settings.callback.as_ref()?;
        let Some(seconds) = app.record.settings.resend_unknown_after_seconds else {
            return Some(now.plus(LOOK_AGAIN));
        };
        let due = lost.given_up_at.plus(Duration::from_secs(u64::from(seconds)));
        if now < due {
            // The setting may become shorter.
            return Some(due.min(now.plus(LOOK_AGAIN)));
        }
        match self.conclude(id, lost, now).await {
            Ok(again) => again,
            Err(error) => {
                tracing::error!(%error, message = %id, "what silence says cannot be stored; trying again");
                Some(now.plus(SOON))
            }
        }
    }

    async fn conclude(
        &self,
        id: MessageId,
        lost: &Lost,
        now: UnixMillis,
    ) -> Result<Option<UnixMillis>, StoreError> {
        let last = self.store.callback_status(lost.appid.clone()).await?.last_sent_event_at;
        if last.is_none_or(|last| now.since(last) > WORKS_FOR) {
            return Ok(Some(now.plus(LOOK_AGAIN)));
        }
        let verdict = Verdict::NotSent { then: Then::Send };
        // Once more, after the store was asked: what came between may have been missed.
        if lost.attempted_at < self.silence.since() {
            return Ok(None);
        }
        let resolved = self.intake.resolve(id, verdict, Some(lost.attempt), Witness::Silence).await?;
        match resolved {
            Resolved::Done { state, .. } => {
                tracing::info!(message = %id, %state, "WeChat reported nothing about a message of unknown outcome: it counts as not sent");
                Ok(None)
            }
            Resolved::EventPending => Ok(Some(now.plus(SOON))),
            // Somebody else found out.
            Resolved::Repeated { .. }
            | Resolved::NotFound
            | Resolved::NotUnknown(_)
            | Resolved::AnotherAttempt(_) => Ok(None),
        }
    }

    /// Finds out when the process, or the machine, stood still: by the time that passed for either.
    async fn beat_for_ever(&self) {
        let (mut beat, mut machine) = (Instant::now(), self.clock.machine_now());
        loop {
            tokio::time::sleep(BEAT).await;
            let (now, machine_now) = (Instant::now(), self.clock.machine_now());
            let passed = now.duration_since(beat).max(machine_now.since(machine));
            if passed > STANDSTILL {
                tracing::warn!(
                    seconds = passed.as_secs(),
                    "the process stood still; events may have been missed"
                );
                self.silence.may_have_missed(self.clock.now());
            }
            (beat, machine) = (now, machine_now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
