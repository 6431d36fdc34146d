//! The parts beside those that send: what maintains apps, processes pushes, and delivers events.

use std::sync::Arc;
use std::time::Duration;

use hongyan_wechat::AppId;

use super::Core;
use crate::callbacks::{EventWorker, SilenceWatch};
use crate::dispatch::Dispatch;
use crate::error::GatewayError;
use crate::intake::Intake;
use crate::probe::Prober;
use crate::schedule::Scheduler;
use crate::task::Tasks;
use crate::templates::TemplateSyncer;
use crate::webhooks::{self, AddressRules, DeliveryContext, Expiring, WebhookDispatcher};

impl Core {
    pub(super) fn scheduler(&self, dispatch: &Dispatch) -> Scheduler {
        Scheduler {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            timers: self.timers.clone(),
            owned: self.owned.clone(),
            dispatch: dispatch.clone(),
        }
    }

    /// Starts the parts that maintain apps, their tokens and their templates.
    pub(super) fn keep_apps(&self, tasks: &mut Tasks, unread: Vec<AppId>) {
        let (apps, owned) = (self.apps.clone(), self.owned.clone());
        tasks.spawn(async move |stop| {
            tokio::select! {
                () = apps.clone().keep_fresh(owned) => {}
                () = apps.keep_current() => {}
                () = stop.stopping() => {}
            }
        });
        let prober = Prober {
            store: Arc::clone(&self.store),
            apps: self.apps.clone(),
            clock: self.clock.clone(),
            owned: self.owned.clone(),
        };
        tasks.spawn(|stop| prober.run(stop));
        let template_syncer = TemplateSyncer {
            apps: self.apps.clone(),
            clock: self.clock.clone(),
            period: Duration::from_secs(self.settings.template_sync_seconds),
            owned: self.owned.clone(),
            unread,
        };
        tasks.spawn(|stop| template_syncer.run(stop));
    }

    /// Starts the parts that process WeChat's pushes, and the lack of pushes.
    pub(super) fn work_on_callbacks(&self, tasks: &mut Tasks, intake: &Intake) {
        let worker = EventWorker {
            store: Arc::clone(&self.store),
            apps: self.apps.clone(),
            clock: self.clock.clone(),
            ids: Arc::clone(&self.ids),
            timers: self.event_timers.clone(),
            owned: self.owned.clone(),
        };
        tasks.spawn(|stop| worker.run(stop));
        let watch = SilenceWatch {
            silence: self.silence.clone(),
            store: Arc::clone(&self.store),
            apps: self.apps.clone(),
            intake: intake.clone(),
            node: Arc::clone(&self.node.name),
            clock: self.clock.clone(),
        };
        tasks.spawn(|stop| watch.run(stop));
    }

    /// Starts the parts that deliver events to webhooks. Returns the rules for their addresses.
    pub(super) fn tell_webhooks(&self, tasks: &mut Tasks) -> Result<AddressRules, GatewayError> {
        let rules = AddressRules::of(&self.settings);
        let dispatcher = WebhookDispatcher::new(DeliveryContext {
            store: Arc::clone(&self.store),
            vault: Arc::clone(&self.vault),
            clock: self.clock.clone(),
            report: self.report.clone(),
            client: webhooks::Client::new(rules)?,
            changes: self.webhook_changes.clone(),
            at_once: self.settings.webhook_connections as usize,
            owned: self.owned.clone(),
            traces: self.traces.clone(),
        });
        tasks.spawn(|stop| dispatcher.run(stop));
        let expiring = Expiring {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            ahead: Duration::from_secs(u64::from(self.settings.permit_expiring_hours) * 3_600),
            changes: self.webhook_changes.clone(),
            owned: self.owned.clone(),
        };
        tasks.spawn(|stop| expiring.run(stop));
        Ok(rules)
    }
}
