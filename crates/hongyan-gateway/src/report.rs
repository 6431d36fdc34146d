//! Report: tells the world how messages fare. Today: callers who wait for theirs, and the metrics.

use std::sync::Arc;
use std::time::Duration;

use hongyan_ledger::settle::{Outcome, PauseCode};
use hongyan_ledger::webhook::Fate;
use hongyan_ledger::{MessageId, MessageState, ReasonCode};
use hongyan_store::types::{Ended, Pruned, TemplateChangeKind};
use hongyan_sync::waiters::Waiters;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;

/// Hands on what happened. Clones share everything.
#[derive(Clone)]
pub struct Report(Arc<Inner>);

struct Inner {
    /// Callers who wait, by message. Each entry lives as long as somebody waits.
    waiting: Waiters<MessageId, watch::Sender<Option<Ended>>>,
    meters: Meters,
    prometheus: PrometheusHandle,
}

/// Metric handles, made once: looking one up by name costs more than counting with it.
struct Meters {
    by_state: [Counter; MessageState::ALL.len()],
    answered_ok: Counter,
    answered_error: Counter,
    not_sent: Counter,
    unanswered: Counter,
    attempt_seconds: Histogram,
    pruned: [Counter; PRUNED.len()],
    delivered: [Counter; DELIVERED.len()],
    recorder: metrics_exporter_prometheus::PrometheusRecorder,
}

/// Attempt durations worth telling apart, in seconds: WeChat usually answers within a tenth.
const ATTEMPT_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What is cleared away, as the metric calls it; in the order of [`Report::pruned`].
const PRUNED: [&str; 9] = [
    "messages",
    "attempts",
    "permits",
    "sessions",
    "gateway_tokens",
    "events",
    "leftovers",
    "webhook_events",
    "deliveries",
];

/// The events that have a name of their own in the metric; who pushes others cannot make it large.
const KNOWN_EVENTS: [&str; 3] =
    ["subscribe_msg_popup_event", "subscribe_msg_change_event", "subscribe_msg_sent_event"];

/// What becomes of a try of an event at a webhook, as the metric calls it.
const DELIVERED: [&str; 3] = ["taken", "failed", "given_up"];

impl Report {
    /// A report with metrics of its own.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&ATTEMPT_BUCKETS)
            .expect("the list of buckets is not empty")
            .build_recorder();
        let prometheus = recorder.handle();
        let meters = metrics::with_local_recorder(&recorder, || {
            metrics::describe_counter!("hongyan_messages_total", "Messages that came to each state");
            metrics::describe_counter!("hongyan_attempts_total", "Requests to WeChat, by how they ended");
            metrics::describe_histogram!(
                "hongyan_attempt_seconds",
                metrics::Unit::Seconds,
                "From claiming a message to knowing its outcome"
            );
            metrics::describe_counter!(
                "hongyan_pruned_total",
                "Rows that were removed because they were old"
            );
            metrics::describe_counter!(
                "hongyan_template_changes_total",
                "Templates that came, went or changed at WeChat"
            );
            metrics::describe_counter!(
                "hongyan_events_total",
                "Events that WeChat pushed and that were taken"
            );
            metrics::describe_counter!(
                "hongyan_callback_refused_total",
                "Requests to callbacks that were refused, by the reason"
            );
            metrics::describe_counter!(
                "hongyan_webhook_deliveries_total",
                "Requests to webhooks, by what they came to"
            );
            metrics::describe_gauge!(
                "hongyan_webhook_events_pending",
                "Events that enabled webhooks have not taken yet"
            );
            metrics::describe_gauge!(
                "hongyan_webhook_oldest_pending_seconds",
                metrics::Unit::Seconds,
                "Since when the oldest of them waits"
            );
            metrics::describe_gauge!("hongyan_messages_in_flight", "Messages being sent now");
            metrics::describe_gauge!(
                "hongyan_verbs_per_commit",
                "Writes that share a commit of the database, lately, on average"
            );
            let attempts = |outcome: &'static str| counter!("hongyan_attempts_total", "outcome" => outcome);
            metrics::describe_gauge!(
                "hongyan_apps_paused",
                "Apps of which nothing goes out now, by the reason"
            );
            (
                MessageState::ALL.map(|state| counter!("hongyan_messages_total", "state" => state.name())),
                [attempts("ok"), attempts("refused"), attempts("not_sent"), attempts("unanswered")],
                histogram!("hongyan_attempt_seconds"),
                PRUNED.map(|what| counter!("hongyan_pruned_total", "what" => what)),
                DELIVERED.map(|result| counter!("hongyan_webhook_deliveries_total", "result" => result)),
            )
        });
        let (
            by_state,
            [answered_ok, answered_error, not_sent, unanswered],
            attempt_seconds,
            pruned,
            delivered,
        ) = meters;
        Self(Arc::new(Inner {
            waiting: Waiters::default(),
            meters: Meters {
                by_state,
                answered_ok,
                answered_error,
                not_sent,
                unanswered,
                attempt_seconds,
                pruned,
                delivered,
                recorder,
            },
            prometheus,
        }))
    }

    /// A message came to this state.
    pub fn moved(&self, ended: &Ended) {
        self.0.meters.by_state[usize::from(ended.state.code())].increment(1);
        if is_at_rest(ended.state, ended.reason) {
            self.tell(ended);
        }
    }

    /// A message comes to no rest of its own, but nothing will happen to it soon: its app's breaker is open. Not
    /// counted; who waits for it hears of it.
    pub fn rests(&self, where_it_is: &Ended) {
        self.tell(where_it_is);
    }

    fn tell(&self, ended: &Ended) {
        self.0.waiting.tell(&ended.id, |waiter| {
            waiter.send_replace(Some(*ended));
        });
    }

    /// An attempt ended so, after so long.
    pub fn attempt_ended(&self, outcome: &Outcome, took: Duration) {
        let meters = &self.0.meters;
        match outcome {
            Outcome::Answered { errcode, .. } if errcode.0 == 0 => meters.answered_ok.increment(1),
            Outcome::Answered { .. } => meters.answered_error.increment(1),
            Outcome::NotSent { .. } => meters.not_sent.increment(1),
            Outcome::Unanswered { .. } => meters.unanswered.increment(1),
        }
        meters.attempt_seconds.record(took.as_secs_f64());
    }

    /// WeChat pushed an event; `again`: one that came before.
    pub fn event_received(&self, name: &str, again: bool) {
        let name = KNOWN_EVENTS.into_iter().find(|known| *known == name).unwrap_or("other");
        let result = if again { "repeated" } else { "new" };
        metrics::with_local_recorder(&self.0.meters.recorder, || {
            counter!("hongyan_events_total", "event" => name, "result" => result).increment(1);
        });
    }

    /// A request to a callback was refused for this reason.
    pub fn callback_refused(&self, reason: &'static str) {
        metrics::with_local_recorder(&self.0.meters.recorder, || {
            counter!("hongyan_callback_refused_total", "reason" => reason).increment(1);
        });
    }

    /// So much was cleared away.
    pub fn pruned(&self, pruned: &Pruned) {
        let rows = [
            pruned.messages,
            pruned.attempts,
            pruned.permits,
            pruned.sessions,
            pruned.gateway_tokens,
            pruned.events,
            pruned.leftovers,
            pruned.webhook_events,
            pruned.deliveries,
        ];
        for (counter, rows) in self.0.meters.pruned.iter().zip(rows) {
            counter.increment(u64::from(rows));
        }
    }

    /// A webhook was asked to take an event.
    pub fn event_delivered(&self, fate: Fate) {
        let [taken, failed, given_up] = &self.0.meters.delivered;
        match fate {
            Fate::Taken => taken,
            Fate::Retry(_) => failed,
            Fate::GivenUp => given_up,
        }
        .increment(1);
    }

    /// Begins to listen for a message, before it is accepted, so that nothing is missed.
    pub fn listen(&self, id: MessageId) -> Listener {
        let receiver = self.0.waiting.join(id, || watch::Sender::new(None), watch::Sender::subscribe);
        Listener { report: self.clone(), id, receiver: Some(receiver) }
    }

    /// All metrics in Prometheus' text form, with what is so now.
    pub fn render(&self, now: &Now) -> String {
        metrics::with_local_recorder(&self.0.meters.recorder, || {
            gauge!("hongyan_messages_in_flight").set(now.in_flight);
            gauge!("hongyan_verbs_per_commit").set(now.verbs_per_commit);
            gauge!("hongyan_webhook_events_pending").set(now.pending);
            gauge!("hongyan_webhook_oldest_pending_seconds").set(now.oldest_pending.as_secs_f64());
            for code in PauseCode::ALL {
                let paused = now.pauses.iter().filter(|&&other| other == code).count();
                gauge!("hongyan_apps_paused", "code" => code.name()).set(paused as f64);
            }
            for (kind, count) in &now.template_changes {
                counter!("hongyan_template_changes_total", "change" => kind.name()).absolute(*count);
            }
        });
        self.0.prometheus.run_upkeep();
        self.0.prometheus.render()
    }
}

/// What is not counted when it happens, but asked for when somebody looks.
#[derive(Debug)]
pub struct Now {
    /// Messages that are being sent.
    pub in_flight: u32,
    /// The pauses in force, one of each paused app.
    pub pauses: Vec<PauseCode>,
    /// How many templates have changed since the start, and how; counted where it is found out.
    pub template_changes: Vec<(TemplateChangeKind, u64)>,
    /// Events that enabled webhooks have before them.
    pub pending: u32,
    /// Since when the oldest of those waits.
    pub oldest_pending: Duration,
    /// See [`hongyan_store::Store::verbs_per_commit`].
    pub verbs_per_commit: f32,
}

/// What a caller who waits wants to hear: that it is settled, or that nothing will happen soon.
pub(crate) fn is_at_rest(state: MessageState, reason: Option<ReasonCode>) -> bool {
    state.is_settled() || reason == Some(ReasonCode::AppPaused)
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

/// Somebody who wants to hear when a message is settled.
pub struct Listener {
    report: Report,
    id: MessageId,
    /// Only `None` while it is dropped.
    receiver: Option<watch::Receiver<Option<Ended>>>,
}

impl Listener {
    /// How it was settled (or that its app is paused), or `None` when `patience` (of real time) is at its end.
    pub async fn settled(&mut self, patience: Duration) -> Option<Ended> {
        let receiver = self.receiver.as_mut()?;
        let heard = tokio::time::timeout(patience, receiver.wait_for(Option::is_some)).await;
        heard.ok()?.ok().and_then(|ended| *ended)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.receiver = None;
        self.report.0.waiting.leave(&self.id, |sender| sender.receiver_count() == 0);
    }
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;
    use hongyan_ledger::Lane;
    use hongyan_ledger::ids::IdMaker;

    use super::*;

    #[tokio::test]
    async fn a_listener_hears_the_end_and_leaves_no_trace() {
        let report = Report::new();
        let id = IdMaker::new().message(Lane::new(1).unwrap(), UnixMillis(0));
        let mut listener = report.listen(id);
        let ended = |state| Ended { id, state, reason: None, errcode: None };
        report.moved(&ended(MessageState::Ready));
        report.moved(&ended(MessageState::Sent));
        assert_eq!(listener.settled(Duration::from_secs(5)).await, Some(ended(MessageState::Sent)));
        drop(listener);
        assert_eq!(report.0.waiting.count(), 0);
        let text = report.render(&Now {
            in_flight: 3,
            pauses: vec![PauseCode::DayQuota],
            template_changes: vec![(TemplateChangeKind::Changed, 2)],
            pending: 7,
            oldest_pending: Duration::from_secs(9),
            verbs_per_commit: 2.5,
        });
        assert!(text.contains("hongyan_verbs_per_commit 2.5"), "{text}");
        assert!(text.contains("hongyan_webhook_events_pending 7"), "{text}");
        assert!(text.contains("hongyan_messages_total{state=\"sent\"} 1"), "{text}");
        assert!(text.contains("hongyan_messages_in_flight 3"), "{text}");
        assert!(text.contains("hongyan_template_changes_total{change=\"changed\"} 2"), "{text}");
        assert!(text.contains("hongyan_apps_paused{code=\"day_quota\"} 1"), "{text}");
    }
}
