//! Processes received events: parses what each event asks for, and lets the store do it.
//!
//! One task processes all lanes of this node concurrently, and the events of each lane in order of receipt. A signal wakes it
//! for each new event, and for the remaining events of a newly acquired lane. An event that must wait for the answer to a
//! send does not block the events behind it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::Lane;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::sent_report::SentReport;
use hongyan_store::types::{ApplyOrder, CallbackAction, Epoch, EventView};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::callback::{Event, Notice, SubscribeResult, notice_of};
use hongyan_wechat::{Errcode, TemplateId};
use serde_json::{Map, Value};

use crate::apps::Apps;
use crate::pace;
use crate::state::owned::Owned;
use crate::state::timers::Timers;
use crate::stop::Stop;

/// The most events of a lane that are read at once.
const MAX_EVENTS: u32 = 64;

/// How long to wait for WeChat's answer about an unknown template. After that it counts as a one-time template.
const TEMPLATE_PATIENCE: Duration = Duration::from_secs(3);

/// Processes events.
pub struct EventWorker {
    /// Has the events.
    pub store: Arc<dyn Store>,
    /// The apps. Their templates tell which kind of permit an acceptance grants.
    pub apps: Apps,
    /// The time.
    pub clock: Clock,
    /// Makes ids.
    pub ids: Arc<IdMaker>,
    /// When to look at which lane's events.
    pub timers: Timers,
    /// Which lanes are this node's.
    pub owned: Owned,
}

impl EventWorker {
    /// Runs until it is told to stop. Events that are being processed are finished first.
    pub async fn run(self, stop: Stop) {
        while !stop.is_stopping() {
            let due = self.timers.due(self.clock.now());
            if due.is_empty() {
                tokio::select! {
                    () = self.clock.sleep_until(self.timers.earliest()) => {}
                    () = self.timers.changed() => {}
                    () = stop.stopping() => {}
                }
            }
            // Lanes are independent, and the store commits concurrent work together.
            let looks = due.into_iter().map(async |lane| {
                self.timers.begin_look(lane);
                let next = self.look(lane).await;
                self.timers.end_look(lane, next);
            });
            join_all(looks).await;
        }
    }

    /// Processes the due events of a lane; returns when to look again.
    async fn look(&self, lane: Lane) -> UnixMillis {
        let now = self.clock.now();
        // The lane was lost meanwhile. If it was acquired again, that has set its timer.
        let Some(epoch) = self.owned.epoch(lane) else { return UnixMillis::MAX };
        let open = match self.store.open_events(lane, now, MAX_EVENTS).await {
            Ok(open) => open,
            Err(error) => {
                tracing::error!(%error, lane = lane.number(), "events cannot be read; trying again");
                return pace::store_retry_at(now);
            }
        };
        let mut next = open.next_wake.unwrap_or(UnixMillis::MAX);
        for event in &open.due {
            match self.work_on(event, epoch).await {
                Ok(applied) => next = next.min(applied.unwrap_or(UnixMillis::MAX)),
                Err(error) => {
                    // The event is kept. The other events must not wait for it.
                    tracing::error!(%error, event = %event.id, "an event cannot be processed; trying again");
                    next = next.min(pace::store_retry_at(self.clock.now()));
                }
            }
        }
        next
    }

    /// Does what an event asks for; returns when to process it again if it must wait.
    async fn work_on(&self, event: &EventView, epoch: Epoch) -> Result<Option<UnixMillis>, StoreError> {
        let actions = self.actions_of(event).await;
        let order = ApplyOrder { id: event.id, epoch, actions, now: self.clock.now() };
        let Some(applied) = self.store.apply_event(order).await? else { return Ok(None) };
        for ended in &applied.ended {
            tracing::debug!(
                event = %event.id, message_id = %ended.id, state = %ended.state, "WeChat reported the outcome of a message"
            );
        }
        Ok(applied.wake_at)
    }

    async fn actions_of(&self, event: &EventView) -> Vec<CallbackAction> {
        let body: Map<String, Value> = match serde_json::from_str(&event.body) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, event = %event.id, "an event's stored body is not JSON; the event is ignored");
                return Vec::new();
            }
        };
        let Some(notice) = notice_of(&Event::of(body)) else { return Vec::new() };
        match notice {
            Notice::Popup(entries) => {
                let mut actions = Vec::new();
                // A refusal in the pop-up does not withdraw earlier acceptances.
                for entry in entries.into_iter().filter(|entry| entry.result == SubscribeResult::Accepted) {
                    self.get_to_know(event, &entry.template).await;
                    actions.extend(self.accept(event, entry.template));
                }
                actions
            }
            Notice::Change(entries) => entries
                .into_iter()
                .filter(|entry| entry.result == SubscribeResult::Rejected)
                .map(|entry| CallbackAction::Withdraw { template: entry.template })
                .collect(),
            Notice::Sent(entries) => entries
                .into_iter()
                .map(|entry| {
                    CallbackAction::Report(SentReport {
                        template: entry.template,
                        msgid: entry.msgid,
                        error_code: Errcode(i32::try_from(entry.error_code).unwrap_or(i32::MAX)),
                        error_status: entry.error_status,
                    })
                })
                .collect(),
        }
    }

    fn accept(&self, event: &EventView, template: TemplateId) -> Option<CallbackAction> {
        // Without a user there is nobody to grant the permit to.
        let openid = event.openid.as_ref()?;
        let lane = Lane::of(&event.appid, openid);
        Some(CallbackAction::Accept { template, permit: self.ids.permit(lane, self.clock.now()) })
    }

    /// Asks WeChat about a template that was added since the last synchronisation, to learn its kind.
    async fn get_to_know(&self, event: &EventView, template: &TemplateId) {
        let known = self.apps.template(&event.appid, template);
        match tokio::time::timeout(TEMPLATE_PATIENCE, known).await {
            Ok(Ok(_)) => {}
            Ok(Err(problem)) => {
                tracing::warn!(app = %event.appid, %template, %problem, "an accepted template is unknown");
            }
            Err(_) => {
                tracing::warn!(app = %event.appid, %template, "WeChat did not answer in time about an accepted template");
            }
        }
    }
}
