//! The metrics: their names, their counts and their text.
//!
//! Each family is a field and is registered once. Counting adds to an existing number and collects nothing, so the memory
//! does not depend on the number of events or on scrapes. For the same reason the values of labels come from lists in the code
//! or are registered apps, and never come from a request. Counts by app and by route are in `attempts` and `routes`; `now` has
//! what is read at each scrape.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hongyan_ledger::MessageState;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::webhook::Fate;
use hongyan_store::types::{Pruned, TemplateChangeKind};
use hongyan_wechat::AppId;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::attempts::Attempts;
use super::now::{self, Now};
use super::process;
use super::routes::Routes;

/// Bounds for durations of attempts, in seconds: WeChat usually answers within 0.1 s.
const ATTEMPT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The events with their own label. All others share a label, so that pushes with other names cannot make the metric large.
const KNOWN_EVENTS: [&str; 3] =
    ["subscribe_msg_popup_event", "subscribe_msg_change_event", "subscribe_msg_sent_event"];

/// Names and values of a metric's labels.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Every metric.
pub(super) struct Meters {
    registry: Registry,
    messages: Family<Labels<1>, Counter>,
    /// The counters of `messages`, in the order of the states' codes: they are the counters with the most increments.
    by_state: [Counter; MessageState::ALL.len()],
    attempts: Attempts,
    routes: Routes,
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
}

impl Meters {
    pub(super) fn new() -> Self {
        process::note_start();
        let messages = Family::<Labels<1>, Counter>::default();
        let meters = Self {
            registry: Registry::default(),
            by_state: MessageState::ALL
                .map(|state| messages.get_or_create(&[("state", state.name())]).clone()),
            messages,
            attempts: Attempts::default(),
            routes: Routes::default(),
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
        };
        meters.begin_at_zero();
        meters.registered()
    }

    /// Registers every metric. The registry appends `_total` to the names of counters.
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("hongyan_messages", "Messages that entered each state", self.messages.clone());
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
        self
    }

    /// Creates the counters at 0: a rate can be computed from the first scrape only if the counter existed before its first
    /// event.
    fn begin_at_zero(&self) {
        self.pruned(&Pruned::default());
        for result in ["taken", "failed", "given_up"] {
            let _ = self.deliveries.get_or_create(&[("result", result)]);
        }
    }

    pub(super) fn moved(&self, state: MessageState) {
        self.by_state[usize::from(state.code())].inc();
    }

    pub(super) fn attempt_ended(&self, appid: &AppId, outcome: &Outcome, took: Duration) {
        self.attempts.ended(appid, outcome);
        self.attempt_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn answered(&self, route: Option<&str>, status: u16) {
        self.routes.answered(route, status);
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
        for (kind, count) in &now.template_changes {
            // The counter was read elsewhere just before, so an older reading must not replace a newer reading.
            let counter =
                self.template_changes.get_or_create_owned(&[("change", TemplateChangeKind::name(*kind))]);
            counter.inner().fetch_max(*count, Ordering::Relaxed);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        let mut read = Registry::default();
        let attempts = self.attempts.of(now.apps.iter().map(|app| &app.appid));
        now::register(&mut read, now, &attempts, self.routes.all());
        encode(&mut text, &read).expect("a string takes any text");
        text
    }
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;
    use hongyan_ledger::settle::PauseCode;
    use hongyan_store::types::OpenMessages;

    use super::super::now::{AppNow, Disk};
    use super::*;

    fn app(number: u32, paused: Option<PauseCode>) -> AppNow {
        let appid = format!("wx{number}").parse().unwrap();
        AppNow { appid, paused, token_expires: Some(Duration::from_secs(5)) }
    }

    fn quiet() -> Now {
        Now {
            at: UnixMillis(60_000),
            apps: vec![app(1, None)],
            open: Some(Vec::new()),
            disk: Some(Disk { database: 4_096, log: 0, free: 1 << 40 }),
            last_backup: Some(UnixMillis(59_000)),
            in_flight: 0,
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
                let outcome = Outcome::Unanswered { why: "x".into() };
                meters.attempt_ended(&"wx1".parse().unwrap(), &outcome, Duration::from_millis(7));
                meters.answered(Some("/v1/messages/{id}"), 200);
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
        let refused = Outcome::answered(hongyan_wechat::Errcode(43_101), "x");
        meters.attempt_ended(&"wx1".parse().unwrap(), &refused, Duration::ZERO);
        meters.answered(None, 404);
        meters.event_received("subscribe_msg_sent_event", false);
        meters.callback_refused("signature");
        meters.key_refused("unknown");
        meters.limit_reached("host");
        let template_changes = vec![(TemplateChangeKind::Added, 1)];
        let text = meters.render(&Now { template_changes, ..quiet() });
        let mut described = text.lines().filter(|line| line.starts_with('#'));
        for (name, kind, help) in [
            ("hongyan_messages_total", "counter", "Messages that entered each state."),
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
            ("hongyan_attempts_total", "counter", "Requests to WeChat, by app and outcome."),
            (
                "hongyan_attempt_errcodes_total",
                "counter",
                "Answers of WeChat to sends other than 0, by app and errcode.",
            ),
            ("hongyan_app_paused", "gauge", "Whether the app sends nothing now, by reason."),
            ("hongyan_token_expires_seconds", "gauge", "Seconds until the app's access token expires."),
            ("hongyan_open_messages", "gauge", "Messages that are stored and not ended, by state."),
            (
                "hongyan_oldest_due_seconds",
                "gauge",
                "How long the oldest message that should go out has been due.",
            ),
            ("hongyan_http_requests_total", "counter", "HTTP requests, by route and status of the answer."),
            ("hongyan_build_info", "gauge", "The version of this gateway."),
            ("hongyan_database_bytes", "gauge", "Size of the database's files."),
            ("hongyan_disk_free_bytes", "gauge", "Bytes that can still be written where the database is."),
            (
                "hongyan_last_backup_timestamp_seconds",
                "gauge",
                "When hongyan backup made the last backup, in Unix seconds.",
            ),
        ] {
            assert_eq!(described.next(), Some(format!("# HELP {name} {help}").as_str()));
            assert_eq!(described.next(), Some(format!("# TYPE {name} {kind}").as_str()));
        }
        // The rest is what the kernel knows of the process, which depends on the system.
        let rest: Vec<_> = described.collect();
        assert!(rest.iter().all(|line| line.split(' ').nth(2).unwrap().starts_with("process_")), "{rest:?}");
    }

    #[test]
    fn a_removed_app_disappears_and_what_another_node_counts_is_not_told() {
        let meters = Meters::new();
        let two = Now { apps: vec![app(1, None), app(2, None)], ..quiet() };
        assert!(meters.render(&two).contains("\"wx2\""));
        let text = meters.render(&Now { open: None, ..quiet() });
        assert!(!text.contains("wx2") && !text.contains("hongyan_open_messages"), "{text}");
    }

    #[test]
    fn every_name_is_the_one_that_dashboards_know() {
        let meters = Meters::new();
        meters.answered(Some("/v1/messages/{id}"), 404);
        meters.answered(None, 404);
        let of = |state, count, seconds: i64| OpenMessages {
            appid: "wx1".parse().unwrap(),
            state,
            count,
            oldest_due_at: UnixMillis(60_000 - seconds * 1_000),
            is_cut: false,
        };
        let open = vec![
            of(MessageState::Scheduled, 1, -500),
            of(MessageState::Ready, 3, 40),
            of(MessageState::Waiting, 2, 50),
            of(MessageState::Sending, 1, 900),
            OpenMessages { appid: "wx3".parse().unwrap(), ..of(MessageState::Ready, 2, -30) },
        ];
        let apps = vec![app(1, Some(PauseCode::DayQuota)), app(2, None), app(3, None)];
        let text = meters.render(&Now { apps, open: Some(open), ..quiet() });
        for line in [
            "# TYPE hongyan_messages_total counter",
            "hongyan_messages_total{state=\"unknown\"} 0",
            "hongyan_attempts_total{app=\"wx1\",outcome=\"not_sent\"} 0",
            "hongyan_attempts_total{app=\"wx2\",outcome=\"unavailable\"} 0",
            "# TYPE hongyan_attempt_seconds histogram",
            "hongyan_attempt_seconds_bucket{le=\"+Inf\"} 0",
            "hongyan_pruned_total{what=\"leftovers\"} 0",
            "hongyan_webhook_deliveries_total{result=\"given_up\"} 0",
            "hongyan_webhook_events_pending 0",
            "hongyan_messages_in_flight 0",
            "hongyan_app_paused{app=\"wx1\",reason=\"day_quota\"} 1",
            "hongyan_app_paused{app=\"wx1\",reason=\"operator\"} 0",
            "hongyan_app_paused{app=\"wx2\",reason=\"day_quota\"} 0",
            "hongyan_token_expires_seconds{app=\"wx1\"} 5.0",
            "hongyan_open_messages{app=\"wx1\",state=\"ready\"} 3",
            "hongyan_open_messages{app=\"wx1\",state=\"unknown\"} 0",
            "hongyan_open_messages{app=\"wx2\",state=\"ready\"} 0",
            // A message that waits for a permit is not late, and a message that is being sent is not late.
            "hongyan_oldest_due_seconds{app=\"wx1\"} 40.0",
            "hongyan_oldest_due_seconds{app=\"wx2\"} 0.0",
            // A message that is tried again later is not late.
            "hongyan_oldest_due_seconds{app=\"wx3\"} 0.0",
            "hongyan_http_requests_total{route=\"/v1/messages/{id}\",status=\"404\"} 1",
            "hongyan_http_requests_total{route=\"other\",status=\"404\"} 1",
            concat!("hongyan_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "hongyan_database_bytes{file=\"database\"} 4096",
            "hongyan_last_backup_timestamp_seconds 59",
            "hongyan_attempt_seconds_bucket{le=\"5\"} 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
