//! Report: tells waiting callers about their messages, and keeps the metrics.
//!
//! | file | knows |
//! | --- | --- |
//! | `meters` | the names of the metrics that are counted as they happen; their text |
//! | `attempts` | the counts of attempts by app |
//! | `routes` | the counts of HTTP requests by route |
//! | `now` | the names of the metrics that are read at each scrape |
//! | `last_backup` | when the last backup was made |
//! | `process` | what the kernel knows of the process |

use std::sync::Arc;
use std::time::Duration;

use hongyan_ledger::settle::Outcome;
use hongyan_ledger::webhook::Fate;
use hongyan_ledger::{MessageId, MessageState, ReasonCode};
use hongyan_store::signals::Moved;
use hongyan_store::types::Pruned;
use hongyan_sync::waiters::Waiters;
use hongyan_wechat::AppId;
use tokio::sync::watch;

pub use last_backup::backup_mark;
pub(crate) use last_backup::last_backup;
use meters::Meters;
pub use now::{AppNow, Disk, Now};

mod attempts;
mod last_backup;
mod meters;
mod now;
mod process;
mod routes;

/// Passes on what happened. Clones share everything.
#[derive(Clone)]
pub struct Report(Arc<Inner>);

struct Inner {
    /// Waiting callers, by message. An entry lives as long as a caller waits.
    waiting: Waiters<MessageId, watch::Sender<Option<Moved>>>,
    meters: Meters,
}

impl Report {
    /// A report with metrics of its own.
    pub fn new() -> Self {
        Self(Arc::new(Inner { waiting: Waiters::default(), meters: Meters::new() }))
    }

    /// A message entered another state: counts this if this node has to count it, and tells waiting callers if the message
    /// is at rest now.
    pub fn moved(&self, moved: &Moved, counts: bool) {
        if counts && moved.is_new_state {
            self.0.meters.moved(moved.state);
        }
        // A message that is parked for this reason rests until the breaker of its app closes.
        let is_behind_breaker = moved.is_parked && moved.reason == Some(ReasonCode::WechatUnavailable);
        if is_behind_breaker || is_at_rest(moved.state, moved.reason) {
            self.tell(*moved);
        }
    }

    /// A message stays in its state, but nothing will happen to it soon, because the breaker of its app is open. Not
    /// counted; waiting callers are told.
    pub fn rests(&self, id: MessageId, state: MessageState, reason: Option<ReasonCode>) {
        self.tell(Moved { id, state, reason, is_new_state: false, is_parked: true });
    }

    fn tell(&self, moved: Moved) {
        self.0.waiting.tell(&moved.id, |waiter| {
            waiter.send_replace(Some(moved));
        });
    }

    /// An attempt for this app ended with this outcome after this time.
    pub fn attempt_ended(&self, appid: &AppId, outcome: &Outcome, took: Duration) {
        self.0.meters.attempt_ended(appid, outcome, took);
    }

    /// An HTTP request was answered. `route`: the pattern of the paths to which the request's path belongs.
    pub fn answered(&self, route: Option<&str>, status: u16) {
        self.0.meters.answered(route, status);
    }

    /// WeChat pushed an event; `again`: a repeated event.
    pub fn event_received(&self, name: &str, again: bool) {
        self.0.meters.event_received(name, again);
    }

    /// A request to a callback was refused for this reason.
    pub fn callback_refused(&self, reason: &'static str) {
        self.0.meters.callback_refused(reason);
    }

    /// A limit was reached.
    pub fn limit_reached(&self, limit: &'static str) {
        self.0.meters.limit_reached(limit);
    }

    /// Creates the counters of these limits.
    pub fn count_limits(&self, limits: impl IntoIterator<Item = &'static str>) {
        self.0.meters.count_limits(limits);
    }

    /// An API key was refused for this reason.
    pub fn key_refused(&self, reason: &'static str) {
        self.0.meters.key_refused(reason);
    }

    /// Retention removed these rows.
    pub fn pruned(&self, pruned: &Pruned) {
        self.0.meters.pruned(pruned);
    }

    /// A request to a webhook ended.
    pub fn event_delivered(&self, fate: Fate) {
        self.0.meters.event_delivered(fate);
    }

    /// Begins to listen for a message, before the message is accepted, so that no change is missed.
    pub fn listen(&self, id: MessageId) -> Listener {
        let receiver = self.0.waiting.join(id, || watch::Sender::new(None), watch::Sender::subscribe);
        Listener { report: self.clone(), id, receiver: Some(receiver) }
    }

    /// All metrics in Prometheus' text format, with the current values of `now`.
    pub fn render(&self, now: &Now) -> String {
        self.0.meters.render(now)
    }
}

/// Whether to tell a waiting caller: the message is settled, or nothing will happen to it soon.
pub(crate) fn is_at_rest(state: MessageState, reason: Option<ReasonCode>) -> bool {
    state.is_settled() || reason == Some(ReasonCode::AppPaused)
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

/// A caller who waits until a message is settled.
pub struct Listener {
    report: Report,
    id: MessageId,
    /// `None` only while this is dropped.
    receiver: Option<watch::Receiver<Option<Moved>>>,
}

impl Listener {
    /// The settled message (or that its app is paused), or `None` after `patience` (in real time).
    pub async fn settled(&mut self, patience: Duration) -> Option<Moved> {
        let receiver = self.receiver.as_mut()?;
        let heard = tokio::time::timeout(patience, receiver.wait_for(Option::is_some)).await;
        heard.ok()?.ok().and_then(|moved| *moved)
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
    use hongyan_ledger::settle::PauseCode;
    use hongyan_store::types::TemplateChangeKind;

    use super::*;

    #[tokio::test]
    async fn a_listener_hears_the_end_and_leaves_no_trace() {
        let report = Report::new();
        let id = IdMaker::new().message(Lane::new(1).unwrap(), UnixMillis(0));
        let mut listener = report.listen(id);
        let moved = |state| Moved { id, state, reason: None, is_new_state: true, is_parked: false };
        report.moved(&moved(MessageState::Ready), true);
        report.moved(&moved(MessageState::Sent), true);
        assert_eq!(listener.settled(Duration::from_secs(5)).await, Some(moved(MessageState::Sent)));
        drop(listener);
        assert_eq!(report.0.waiting.count(), 0);
        let text = report.render(&Now {
            at: UnixMillis(0),
            apps: vec![AppNow {
                appid: "wx1".parse().unwrap(),
                paused: Some(PauseCode::DayQuota),
                token_expires: None,
            }],
            open: None,
            disk: None,
            last_backup: None,
            in_flight: 3,
            template_changes: vec![(TemplateChangeKind::Changed, 2)],
            pending: 7,
            oldest_pending: Duration::from_secs(9),
            verbs_per_commit: 2.5,
        });
        assert!(!text.contains("hongyan_last_backup"), "nobody knows of a backup: {text}");
        assert!(text.contains("hongyan_verbs_per_commit 2.5"), "{text}");
        assert!(text.contains("hongyan_webhook_events_pending 7"), "{text}");
        assert!(text.contains("hongyan_messages_total{state=\"sent\"} 1"), "{text}");
        assert!(text.contains("hongyan_messages_in_flight 3"), "{text}");
        assert!(text.contains("hongyan_template_changes_total{change=\"changed\"} 2"), "{text}");
        assert!(text.contains("hongyan_app_paused{app=\"wx1\",reason=\"day_quota\"} 1"), "{text}");
    }
}
