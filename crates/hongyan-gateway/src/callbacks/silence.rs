//! Resolves a message of unknown outcome when WeChat sends no event about it.
//!
//! WeChat sends an event about every subscribe message that it accepted. So if an answer was lost and no event comes, WeChat
//! most likely did not accept the message. An app may set after how much silence the message is sent again. This is a bet
//! that the app must choose; by default the message is not sent again.
//!
//! Silence counts only if the gateway cannot have missed an event. So memory holds since when this process has received
//! events without a gap. An attempt before that time is left to operators, because its event may have come while no process
//! was there. This is always so for a message whose answer was lost *because* the process ended.
//!
//! If several nodes receive events, no event was missed if no node died or stood still. The store knows this and checks it
//! when the message is resolved.

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

/// An app's callback counts as working if an event about any message came within this time.
const WORKS_FOR: Duration = Duration::from_secs(24 * 3_600);

/// When to look again at a message whose app does not send again, or whose app's callback had no event recently.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// When to try a failing store again, and when to look again while an event is not processed yet.
const SOON: Duration = Duration::from_secs(1);

/// A message is watched for this long: the longest silence that can be set, and a day.
const WATCHED_FOR: Duration = Duration::from_secs(8 * 86_400);

/// How often to check whether the process stood still.
const BEAT: Duration = Duration::from_secs(2);

/// If two beats are further apart than this, the process or the machine stood still. WeChat repeats a push three times, five
/// seconds apart, so a shorter standstill misses no event.
const STANDSTILL: Duration = Duration::from_secs(15);

/// Sends messages again that were not sent according to silence.
pub struct SilenceWatch {
    /// The messages with lost answers, and since when events were received without a gap.
    pub silence: Silence,
    /// Knows when an app's callback had its last event.
    pub store: Arc<dyn Store>,
    /// The apps, with the silence that each has set.
    pub apps: Apps,
    /// Resolves the messages, as for an operator.
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

    /// Looks at a message and returns when to look again; `None`: never.
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
                tracing::error!(%error, message_id = %id, "an unknown message cannot be resolved by silence; trying again");
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
        // Checked again after the query: an event may have been missed meanwhile.
        if lost.attempted_at < self.silence.since() {
            return Ok(None);
        }
        let listened = Listened { node: Arc::clone(&self.node), from: lost.attempted_at, to: due };
        let resolved =
            self.intake.resolve(id, verdict, Some(lost.attempt), Witness::Silence, Some(listened)).await?;
        match resolved {
            Resolved::Done { state, .. } => {
                tracing::info!(message_id = %id, %state, "WeChat reported nothing about an unknown message: the message counts as not sent");
                Ok(None)
            }
            Resolved::EventPending => Ok(Some(now.plus(SOON))),
            // A node died or stood still meanwhile.
            Resolved::MayHaveMissed
            // The message was resolved otherwise.
            | Resolved::Repeated { .. }
            | Resolved::NotFound
            | Resolved::NotUnknown(_)
            | Resolved::AnotherAttempt(_) => Ok(None),
        }
    }

    /// Notices when the process or the machine stood still, by comparing the time that passed on both clocks.
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
