//! What it means that no event came.
//!
//! WeChat reports of every subscribe message that it took what became of it. So where an answer was lost and no such
//! report comes, the message was most likely not taken. An app may say after how much silence that is certain enough for
//! it, and then the message goes out again. It is a bet, and the app's to make: the default is not to.
//!
//! Silence counts only if nothing can have been missed. So it is kept in memory since when this process has listened
//! without a break, and an attempt from before that is left to operators: a report about it may have come while nobody
//! was there. A message whose answer was lost *because* the process ended is always such a one.
//!
//! Where several nodes listen, nothing was missed if none of them died or stood still: the store knows, and says so when the
//! message is resolved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::MessageId;
use hongyan_ledger::resolve::{Then, Verdict, Witness};
use hongyan_store::types::{Listened, Resolved};
use hongyan_store::{Store, StoreError};

use crate::apps::Apps;
use crate::intake::Intake;
use crate::state::silence::{Lost, Silence};
use crate::stop::Stop;

/// The app's callback counts as working if a report about any message came within this.
const WORKS_FOR: Duration = Duration::from_secs(24 * 3_600);

/// When to look again at a message whose app is not set to send again, or of whose callback nothing was heard lately.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// When to ask a failing store again, and when to look again while an event is still to be worked on.
const SOON: Duration = Duration::from_secs(1);

/// A message is watched for this long: the longest silence that can be set, and a day.
const WATCHED_FOR: Duration = Duration::from_secs(8 * 86_400);

/// How often it is found out whether the process stood still.
const BEAT: Duration = Duration::from_secs(2);

/// Two beats that are further apart than this: the process or the machine stood still. WeChat repeats a push three
/// times, five seconds apart; one that was there again by then has missed nothing.
const STANDSTILL: Duration = Duration::from_secs(15);

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
    /// This node.
    pub node: Arc<str>,
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
                () = self.silence.changed() => {}
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
        match self.conclude(id, lost, due, now).await {
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
        due: UnixMillis,
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
        let listened = Listened { node: Arc::clone(&self.node), from: lost.attempted_at, to: due };
        let resolved =
            self.intake.resolve(id, verdict, Some(lost.attempt), Witness::Silence, Some(listened)).await?;
        match resolved {
            Resolved::Done { state, .. } => {
                tracing::info!(message = %id, %state, "WeChat reported nothing about a message of unknown outcome: it counts as not sent");
                Ok(None)
            }
            Resolved::EventPending => Ok(Some(now.plus(SOON))),
            // A node died meanwhile, or stood still.
            Resolved::MayHaveMissed
            // Somebody else found out.
            | Resolved::Repeated { .. }
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
                let now = self.clock.now();
                self.silence.may_have_missed(now);
                if let Err(error) = self.store.listening_broke(now).await {
                    tracing::error!(%error, "other nodes cannot be told that events may have been missed");
                }
            }
            (beat, machine) = (now, machine_now);
        }
    }
}
