//! The metrics: their names, their counts and their text.
//!
//! Each family is a field and is registered once. Counting adds to an existing number and collects nothing, so the memory
//! does not depend on the number of events or on scrapes. For the same reason the values of labels are `&'static str`: they
//! come from lists in the code, never from a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hongyan_ledger::MessageState;
use hongyan_ledger::settle::{Outcome, PauseCode};
use hongyan_ledger::webhook::Fate;
use hongyan_store::types::{Pruned, TemplateChangeKind};
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Bounds for durations of attempts, in seconds: WeChat usually answers within 0.1 s.
const ATTEMPT_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The events with their own label. All others share a label, so that pushes with other names cannot make the metric large.
const KNOWN_EVENTS: [&str; 3] =
    ["subscribe_msg_popup_event", "subscribe_msg_change_event", "subscribe_msg_sent_event"];

/// Names and values of a metric's labels.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Values that are not counted as they happen, but read at each scrape.
#[derive(Debug)]
pub struct Now {
    /// Messages that are being sent.
    pub in_flight: u32,
    /// The pauses in force, one for each paused app.
    pub pauses: Vec<PauseCode>,
    /// The number of changed templates since the start, by kind of change. The synchronisation counts them.
    pub template_changes: Vec<(TemplateChangeKind, u64)>,
    /// Events that enabled webhooks have not received yet.
    pub pending: u32,
    /// How long the oldest of these events has waited.
    pub oldest_pending: Duration,
    /// See [`hongyan_store::Store::verbs_per_commit`].
    pub verbs_per_commit: f32,
}

/// Every metric.
pub(super) struct Meters {
    registry: Registry,
    messages: Family<Labels<1>, Counter>,
    /// The counters of `messages`, in the order of the states' codes: they are the counters with the most increments.
    by_state: [Counter; MessageState::ALL.len()],
    attempts: Family<Labels<1>, Counter>,
    attempt_seconds: Histogram,
    pruned: Family<Labels<1>, Counter>,
    template_changes: Family<Labels<1>, Counter>,
    events: Family<Labels<2>, Counter>,
    callback_refused: Family<Labels<1>, Counter>,
    refused_keys: Family<Labels<1>, Counter>,
    deliveries: Family<Labels<1>, Counter>,
    limits: Family<Labels<1>, Counter>,
    events_pending: Gauge,
    oldest_pending_seconds: Gauge<f64, AtomicU64>,
    in_flight: Gauge,
    verbs_per_commit: Gauge<f64, AtomicU64>,
    apps_paused: Family<Labels<1>, Gauge>,
}

impl Meters {
    pub(super) fn new() -> Self {
        let messages = Family::<Labels<1>, Counter>::default();
        let meters = Self {
            registry: Registry::default(),
            by_state: MessageState::ALL
                .map(|state| messages.get_or_create(&[("state", state.name())]).clone()),
            messages,
            attempts: Family::default(),
            attempt_seconds: Histogram::new(ATTEMPT_BUCKETS),
            pruned: Family::default(),
            template_changes: Family::default(),
            events: Family::default(),
            callback_refused: Family::default(),
            refused_keys: Family::default(),
            deliveries: Family::default(),
            limits: Family::default(),
            events_pending: Gauge::default(),
            oldest_pending_seconds: Gauge::default(),
            in_flight: Gauge::default(),
            verbs_per_commit: Gauge::default(),
            apps_paused: Family::default(),
        };
        meters.begin_at_zero();
        meters.registered()
    }

    /// Registers every metric. The registry appends `_total` to the names of counters.
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("hongyan_messages", "Messages that entered each state", self.messages.clone());
        registry.register("hongyan_attempts", "Requests to WeChat, by outcome", self.attempts.clone());
        registry.register(
            "hongyan_attempt_seconds",
            "Time from claiming a message to knowing its outcome",
            self.attempt_seconds.clone(),
        );
        registry.register("hongyan_pruned", "Old rows that were removed", self.pruned.clone());
        registry.register(
            "hongyan_template_changes",
            "Templates that were added, removed or changed at WeChat",
            self.template_changes.clone(),
        );
        registry.register("hongyan_events", "Events from WeChat that were accepted", self.events.clone());
        registry.register(
            "hongyan_callback_refused",
            "Requests to callbacks that were refused, by reason",
            self.callback_refused.clone(),
        );
        registry.register(
            "hongyan_refused_keys",
            "API keys that were refused, by reason",
            self.refused_keys.clone(),
        );
        registry.register(
            "hongyan_webhook_deliveries",
            "Requests to webhooks, by result",
            self.deliveries.clone(),
        );
        registry.register("hongyan_limits", "How often each limit was reached", self.limits.clone());
        registry.register(
            "hongyan_webhook_events_pending",
            "Events that enabled webhooks have not received yet",
            self.events_pending.clone(),
        );
        registry.register(
            "hongyan_webhook_oldest_pending_seconds",
            "How long the oldest pending event has waited",
            self.oldest_pending_seconds.clone(),
        );
        registry.register("hongyan_messages_in_flight", "Messages being sent now", self.in_flight.clone());
        registry.register(
            "hongyan_verbs_per_commit",
            "Recent average number of writes in a database commit",
            self.verbs_per_commit.clone(),
        );
        registry.register(
            "hongyan_apps_paused",
            "Apps that send nothing now, by reason",
            self.apps_paused.clone(),
        );
        self
    }

    /// Creates the counters at 0: a rate can be computed from the first scrape only if the counter existed before its first
    /// event.
    fn begin_at_zero(&self) {
        for outcome in ["ok", "refused", "not_sent", "unanswered"] {
            let _ = self.attempts.get_or_create(&[("outcome", outcome)]);
        }
        self.pruned(&Pruned::default());
        for result in ["taken", "failed", "given_up"] {
            let _ = self.deliveries.get_or_create(&[("result", result)]);
        }
    }

    pub(super) fn moved(&self, state: MessageState) {
        self.by_state[usize::from(state.code())].inc();
    }

    pub(super) fn attempt_ended(&self, outcome: &Outcome, took: Duration) {
        let name = match outcome {
            Outcome::Answered { errcode, .. } if errcode.0 == 0 => "ok",
            Outcome::Answered { .. } => "refused",
            Outcome::NotSent { .. } => "not_sent",
            Outcome::Unanswered { .. } => "unanswered",
        };
        self.attempts.get_or_create(&[("outcome", name)]).inc();
        self.attempt_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn event_received(&self, name: &str, again: bool) {
        let event = KNOWN_EVENTS.into_iter().find(|known| *known == name).unwrap_or("other");
        let result = if again { "repeated" } else { "new" };
        self.events.get_or_create(&[("event", event), ("result", result)]).inc();
    }

    pub(super) fn callback_refused(&self, reason: &'static str) {
        self.callback_refused.get_or_create(&[("reason", reason)]).inc();
    }

    pub(super) fn limit_reached(&self, limit: &'static str) {
        self.limits.get_or_create(&[("limit", limit)]).inc();
    }

    pub(super) fn count_limits(&self, limits: impl IntoIterator<Item = &'static str>) {
        for limit in limits {
            let _ = self.limits.get_or_create(&[("limit", limit)]);
        }
    }

    pub(super) fn key_refused(&self, reason: &'static str) {
        self.refused_keys.get_or_create(&[("reason", reason)]).inc();
    }

    pub(super) fn pruned(&self, pruned: &Pruned) {
        let rows = [
            ("messages", pruned.messages),
            ("attempts", pruned.attempts),
            ("permits", pruned.permits),
            ("sessions", pruned.sessions),
            ("gateway_tokens", pruned.gateway_tokens),
            ("events", pruned.events),
            ("leftovers", pruned.leftovers),
            ("users", pruned.users),
            ("audit", pruned.audit),
            ("tallies", pruned.tallies),
            ("webhook_events", pruned.webhook_events),
            ("deliveries", pruned.deliveries),
        ];
        for (what, rows) in rows {
            self.pruned.get_or_create(&[("what", what)]).inc_by(u64::from(rows));
        }
    }

    pub(super) fn event_delivered(&self, fate: Fate) {
        let result = match fate {
            Fate::Taken => "taken",
            Fate::Retry(_) => "failed",
            Fate::GivenUp => "given_up",
        };
        self.deliveries.get_or_create(&[("result", result)]).inc();
    }

    pub(super) fn render(&self, now: &Now) -> String {
        self.in_flight.set(i64::from(now.in_flight));
        self.verbs_per_commit.set(f64::from(now.verbs_per_commit));
        self.events_pending.set(i64::from(now.pending));
        self.oldest_pending_seconds.set(now.oldest_pending.as_secs_f64());
        for code in PauseCode::ALL {
            let paused = now.pauses.iter().filter(|&&other| other == code).count();
            self.apps_paused.get_or_create(&[("code", code.name())]).set(paused as i64);
        }
        for (kind, count) in &now.template_changes {
            // The counter was read elsewhere just before, so an older reading must not replace a newer reading.
            let counter =
                self.template_changes.get_or_create_owned(&[("change", TemplateChangeKind::name(*kind))]);
            counter.inner().fetch_max(*count, Ordering::Relaxed);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Now {
        Now {
            in_flight: 0,
            pauses: Vec::new(),
            template_changes: Vec::new(),
            pending: 0,
            oldest_pending: Duration::ZERO,
            verbs_per_commit: 0.0,
        }
    }

    #[test]
    fn what_is_counted_often_is_as_long_as_what_is_counted_once() {
        let meters = Meters::new();
        let lines = |text: String| text.lines().count();
        let fill = |times: u32| {
            for number in 0..times {
                meters.moved(MessageState::Sent);
                meters.attempt_ended(&Outcome::Unanswered { why: "x".into() }, Duration::from_millis(7));
                meters.event_received(&format!("event_{number}"), false);
            }
        };
        fill(1);
        let once = lines(meters.render(&quiet()));
        fill(10_000);
        let text = meters.render(&quiet());
        assert!(text.contains("hongyan_attempt_seconds_count 10001"), "{text}");
        assert!(text.contains("hongyan_attempt_seconds_bucket{le=\"0.01\"} 10001"), "{text}");
        assert!(text.contains("hongyan_attempt_seconds_bucket{le=\"0.005\"} 0"), "{text}");
        assert_eq!(lines(text), once);
    }

    #[test]
    fn every_family_keeps_its_name_type_and_help() {
        let meters = Meters::new();
        // These have no values before the first event.
        meters.event_received("subscribe_msg_sent_event", false);
        meters.callback_refused("signature");
        meters.key_refused("unknown");
        meters.limit_reached("host");
        let template_changes = vec![(TemplateChangeKind::Added, 1)];
        let text = meters.render(&Now { template_changes, ..quiet() });
        let mut described = text.lines().filter(|line| line.starts_with('#'));
        for (name, kind, help) in [
            ("hongyan_messages_total", "counter", "Messages that entered each state."),
            ("hongyan_attempts_total", "counter", "Requests to WeChat, by outcome."),
            ("hongyan_attempt_seconds", "histogram", "Time from claiming a message to knowing its outcome."),
            ("hongyan_pruned_total", "counter", "Old rows that were removed."),
            (
                "hongyan_template_changes_total",
                "counter",
                "Templates that were added, removed or changed at WeChat.",
            ),
            ("hongyan_events_total", "counter", "Events from WeChat that were accepted."),
            (
                "hongyan_callback_refused_total",
                "counter",
                "Requests to callbacks that were refused, by reason.",
            ),
            ("hongyan_refused_keys_total", "counter", "API keys that were refused, by reason."),
            ("hongyan_webhook_deliveries_total", "counter", "Requests to webhooks, by result."),
            ("hongyan_limits_total", "counter", "How often each limit was reached."),
            (
                "hongyan_webhook_events_pending",
                "gauge",
                "Events that enabled webhooks have not received yet.",
            ),
            (
                "hongyan_webhook_oldest_pending_seconds",
                "gauge",
                "How long the oldest pending event has waited.",
            ),
            ("hongyan_messages_in_flight", "gauge", "Messages being sent now."),
            ("hongyan_verbs_per_commit", "gauge", "Recent average number of writes in a database commit."),
            ("hongyan_apps_paused", "gauge", "Apps that send nothing now, by reason."),
        ] {
            assert_eq!(described.next(), Some(format!("# HELP {name} {help}").as_str()));
            assert_eq!(described.next(), Some(format!("# TYPE {name} {kind}").as_str()));
        }
        assert_eq!(described.next(), None);
    }

    #[test]
    fn every_name_is_the_one_that_dashboards_know() {
        let text = Meters::new().render(&Now { pauses: vec![PauseCode::DayQuota], ..quiet() });
        for line in [
            "# TYPE hongyan_messages_total counter",
            "hongyan_messages_total{state=\"unknown\"} 0",
            "hongyan_attempts_total{outcome=\"not_sent\"} 0",
            "# TYPE hongyan_attempt_seconds histogram",
            "hongyan_attempt_seconds_bucket{le=\"+Inf\"} 0",
            "hongyan_pruned_total{what=\"leftovers\"} 0",
            "hongyan_webhook_deliveries_total{result=\"given_up\"} 0",
            "hongyan_webhook_events_pending 0",
            "hongyan_messages_in_flight 0",
            "hongyan_apps_paused{code=\"day_quota\"} 1",
            "hongyan_apps_paused{code=\"operator\"} 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
